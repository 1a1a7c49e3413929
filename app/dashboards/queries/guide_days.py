"""What one guide did, day by day: for the guide's own page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Date, cast, func, select

from app.channels.models import Follow
from app.core.db import session
from app.coupons.models import Coupon, Redemption
from app.sales.models import SalesOrder
from app.sop.models import GuideTask


@dataclass(frozen=True)
class GuideDay:
    """One local day; `sales_fen` and `orders` of paid orders that name the guide, `coupons_redeemed`: given by them."""

    day: date
    tasks_done: int = 0
    new_customers: int = 0
    coupons_redeemed: int = 0
    sales_fen: int = 0
    orders: int = 0


def of(brand_id: int, guide_id: int, *, since: datetime, zone: str, days: int) -> list[GuideDay]:
    """`days` days from `since` on, which is a day's beginning in `zone`; days without anything are zeros."""

    def per_day(at: Any, *figures: Any, where: tuple[Any, ...]) -> dict[date, tuple[int, ...]]:
        day = cast(func.timezone(zone, at), Date)
        rows = session.execute(select(day, *figures).where(*where, at >= since).group_by(day))
        return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}

    done = per_day(
        GuideTask.done_at,
        func.count(),
        where=(GuideTask.brand_id == brand_id, GuideTask.guide_id == guide_id, GuideTask.status == "done"),
    )
    added = per_day(Follow.added_at, func.count(), where=(Follow.brand_id == brand_id, Follow.guide_id == guide_id))
    sold = per_day(
        SalesOrder.paid_at,
        func.coalesce(func.sum(SalesOrder.paid_fen), 0),
        func.count(),
        where=(SalesOrder.brand_id == brand_id, SalesOrder.guide_id == guide_id, SalesOrder.status == "paid"),
    )
    given = select(Coupon.coupon_id).where(
        Coupon.brand_id == Redemption.brand_id,
        Coupon.member_id == Redemption.member_id,
        Coupon.coupon_id == Redemption.coupon_id,
        Coupon.guide_id == guide_id,
    )
    redeemed = per_day(
        Redemption.redeemed_at,
        func.count(),
        where=(Redemption.brand_id == brand_id, Redemption.returned_at.is_(None), given.exists()),
    )
    first = since.date()
    return [
        GuideDay(
            day=day,
            tasks_done=done.get(day, (0,))[0],
            new_customers=added.get(day, (0,))[0],
            coupons_redeemed=redeemed.get(day, (0,))[0],
            sales_fen=sold.get(day, (0, 0))[0],
            orders=sold.get(day, (0, 0))[1],
        )
        for day in (first + timedelta(days=n) for n in range(days))
    ]
