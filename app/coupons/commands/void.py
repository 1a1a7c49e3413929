"""Take every coupon back that a member could still use: they are gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, tuple_, update

from app.core.db import session

from ..models import Coupon
from ..rules import OPEN_STATUSES
from .parts import note

_KEY = (Coupon.brand_id, Coupon.member_id, Coupon.coupon_id)


def void_all(*, brand_id: int, member_ids: Sequence[int], cause: str) -> int:
    """Void the open coupons of a member (and of those merged into it), also those an unpaid order holds; how many."""
    open_ones = (Coupon.brand_id == brand_id, Coupon.member_id.in_(member_ids), Coupon.status.in_(OPEN_STATUSES))
    rows = session.execute(select(*_KEY, Coupon.status).where(*open_ones).order_by(*_KEY).with_for_update()).all()
    if rows:
        session.execute(
            update(Coupon)
            .where(tuple_(*_KEY).in_([tuple(row[:3]) for row in rows]), Coupon.status.in_(OPEN_STATUSES))
            .values(status="voided", locked_order=None, locked_until=None),
            execution_options={"synchronize_session": False},
        )
        note([tuple(row) for row in rows], to="voided", cause=cause)  # type: ignore[misc]
    return len(rows)
