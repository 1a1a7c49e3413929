"""What a coupon changed: members who got it against members who were kept out by chance, over the same days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Numeric, Select, and_, cast, func, select

from app.core.db import session
from app.dashboards.statistics import Interval, Sample, difference_of_means, difference_of_shares
from app.sales.models import SalesOrder


@dataclass(frozen=True)
class Lift:
    """Both groups, and by how much those who got it did better: as a share of members who bought (1 = all of them), and
    in fen a member. Intervals are of 95 %; None where a group is too small to say.
    """

    got: Sample
    held_out: Sample
    share: float
    share_interval: Interval | None
    fen: float
    fen_interval: Interval | None


def lift(
    brand_id: int, *, got: Select[Any], held_out: Select[Any], since: datetime, days: int, level: float = 0.95
) -> Lift:
    """Compare two sets of members (statements of one column, member ids) by what they bought in `days` from `since`.

    Everybody counts, whether or not the coupon was used: leaving out those who did not would compare buyers with all.
    """
    one, other = (_sample(brand_id, members, since, since + timedelta(days=days)) for members in (got, held_out))
    return Lift(
        got=one,
        held_out=other,
        share=one.share - other.share,
        share_interval=difference_of_shares(one, other, level=level),
        fen=one.mean - other.mean,
        fen_interval=difference_of_means(one, other, level=level),
    )


def _sample(brand_id: int, members: Select[Any], since: datetime, until: datetime) -> Sample:
    """What a set of members bought: refunded orders do not count, refunds in part are taken off."""
    chosen = members.subquery()
    member_id = list(chosen.columns)[0]
    each = (
        select(
            member_id,
            func.count(SalesOrder.order_id).label("orders"),
            cast(func.coalesce(func.sum(SalesOrder.paid_fen - SalesOrder.refunded_fen), 0), BigInteger).label("fen"),
        )
        .select_from(chosen)
        .outerjoin(
            SalesOrder,
            and_(
                SalesOrder.brand_id == brand_id,
                SalesOrder.member_id == member_id,
                SalesOrder.paid_at >= since,
                SalesOrder.paid_at < until,
                SalesOrder.status == "paid",
            ),
        )
        .group_by(member_id)
        .subquery()
    )
    squares = func.sum(cast(each.c.fen, Numeric) * each.c.fen)
    row = session.execute(
        select(
            func.count(),
            func.count().filter(each.c.orders > 0),
            func.coalesce(func.sum(each.c.fen), 0),
            func.coalesce(squares, 0),
        )
    ).one()
    return Sample(*(int(value) for value in row))
