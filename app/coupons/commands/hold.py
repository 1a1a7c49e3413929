"""Hold a coupon for an order that is not paid yet, and let it go again."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, update

from app.core import clock
from app.core.db import session
from app.core.errors import Busy
from app.members import family

from .. import queries, rules
from ..models import Coupon
from .parts import note

HOLD = timedelta(minutes=15)


def lock(
    *, counter: rules.Counter, member_id: int, coupon_id: int, order_no: str, hold: timedelta = HOLD
) -> datetime:
    """Reserve a member's coupon for an order for a while, at most to the end of its validity; until when. The same
    order may do so again to hold it longer. `counter`: where the order has its number.

    Raises why the coupon cannot be used (see errors), Busy when another request changed it meanwhile.
    """
    now, brand_id = clock.now(), counter.brand_id
    holder = rules.holder(counter.source, counter.store_id, order_no)
    coupon = queries.owned(brand_id, member_id, coupon_id)
    member_id, was = coupon.member_id, coupon.status
    rules.check_usable(coupon, at=now, holder=holder)
    until = min(now + hold, coupon.valid_to)
    held_by_nobody_else = or_(
        Coupon.status.in_(("claimed", "returned")),
        and_(Coupon.status == "locked", or_(Coupon.locked_order == holder, Coupon.locked_until <= now)),
    )
    changed = session.execute(
        update(Coupon)
        .where(
            Coupon.brand_id == brand_id,
            Coupon.member_id == member_id,
            Coupon.coupon_id == coupon_id,
            Coupon.status == was,
            held_by_nobody_else,
            Coupon.valid_to > now,
        )
        .values(status="locked", locked_order=holder, locked_until=until)
        .returning(Coupon.coupon_id),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    if changed is None:
        raise Busy(retry_after=1)
    note(
        [(brand_id, member_id, coupon_id, was)],
        to="locked",
        cause="lock",
        order_no=order_no,
        store_id=counter.store_id,
    )
    return until


def release(*, counter: rules.Counter, member_id: int, coupon_id: int, order_no: str) -> bool:
    """Let go what an order holds; False when it holds nothing (redeemed, timed out and taken, never held)."""
    brand_id = counter.brand_id
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    changed = session.execute(
        update(Coupon)
        .where(
            Coupon.brand_id == brand_id,
            Coupon.member_id == member_id,
            Coupon.coupon_id == coupon_id,
            Coupon.status == "locked",
            Coupon.locked_order == rules.holder(counter.source, counter.store_id, order_no),
        )
        .values(status="claimed", locked_order=None, locked_until=None)
        .returning(Coupon.coupon_id),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    if changed is None:
        return False
    note(
        [(brand_id, member_id, coupon_id, "locked")],
        to="claimed",
        cause="release",
        order_no=order_no,
        store_id=counter.store_id,
    )
    return True
