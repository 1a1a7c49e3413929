"""Take coupons back that could still be used: they are gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Row, select, tuple_, update

from app.core import clock, outbox
from app.core.db import session
from app.members import family

from ..errors import CouponUnknown
from ..events import Voided
from ..models import Coupon
from ..rules import OPEN_STATUSES, check_usable
from .parts import note

_KEY = (Coupon.brand_id, Coupon.member_id, Coupon.coupon_id)


def void_all(*, brand_id: int, member_ids: Sequence[int], cause: str) -> int:
    """Void the open coupons of a member (and of those merged into it), also those an unpaid order holds; how many.

    Nobody is told: who forgets a member withdraws what stands elsewhere by itself.
    """
    return len(_void(cause, Coupon.brand_id == brand_id, Coupon.member_id.in_(member_ids)))


def void_where(cause: str, *conditions: ColumnElement[bool], limit: int | None = None) -> int:
    """Void the open coupons of which the conditions hold, `limit` at the most (others may be at some already, which
    are left to them then); how many. Emits coupons.voided for each.
    """
    rows = _void(cause, *conditions, limit=limit)
    for row in rows:
        outbox.emit(
            Voided(
                brand_id=row.brand_id, member_id=row.member_id, coupon_id=row.coupon_id, campaign_id=row.campaign_id
            )
        )
    return len(rows)


def void_one(*, brand_id: int, member_id: int, coupon_id: int, cause: str) -> int:
    """Void one open coupon of a member, also one that an unpaid order or a friend's link holds; returns its campaign.
    Emits coupons.voided.

    Raises CouponUnknown for anybody else's; CouponRedeemed, CouponExpired or CouponVoided when it is not open.
    """
    key = (brand_id, family.keep(brand_id=brand_id, member_id=member_id), coupon_id)
    row = session.get(Coupon, key, with_for_update=True, populate_existing=True)
    if row is None:
        raise CouponUnknown()
    now = clock.now()
    if row.status not in OPEN_STATUSES or row.valid_to <= now:
        check_usable(row, at=now)
    void_where(cause, *(column == value for column, value in zip(_KEY, key, strict=True)))
    return row.campaign_id


def _void(
    cause: str, *conditions: ColumnElement[bool], limit: int | None = None
) -> Sequence[Row[int, int, int, str, int]]:
    rows = session.execute(
        select(*_KEY, Coupon.status, Coupon.campaign_id)
        .where(Coupon.status.in_(OPEN_STATUSES), *conditions)
        .order_by(*_KEY)
        .limit(limit)
        .with_for_update(of=Coupon, skip_locked=limit is not None)
    ).all()
    if rows:
        session.execute(
            update(Coupon)
            .where(tuple_(*_KEY).in_([tuple(row[:3]) for row in rows]), Coupon.status.in_(OPEN_STATUSES))
            .values(status="voided", locked_order=None, locked_until=None),
            execution_options={"synchronize_session": False},
        )
        note([tuple(row[:4]) for row in rows], to="voided", cause=cause)  # type: ignore[misc]
    return rows
