"""What time does to coupons, one bounded chunk a call: validity ends, holds end."""

from __future__ import annotations

from sqlalchemy import and_, exists, select, tuple_, update

from app.core import clock, outbox
from app.core.db import session

from ..events import Expired
from ..models import Campaign, Coupon
from ..rules import OPEN_STATUSES
from .parts import note
from .void import void_where

CHUNK = 1000
_KEY = (Coupon.brand_id, Coupon.member_id, Coupon.coupon_id)


def expire() -> int:
    """Mark a chunk of coupons whose validity has ended; returns how many. A held coupon waits for its hold to end."""
    now = clock.now()
    ended = and_(Coupon.status.in_(OPEN_STATUSES), Coupon.status != "locked", Coupon.valid_to <= now)
    rows = session.execute(
        select(*_KEY, Coupon.status, Coupon.campaign_id)
        .where(ended)
        .order_by(Coupon.valid_to)
        .limit(CHUNK)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        session.execute(
            update(Coupon).where(tuple_(*_KEY).in_([tuple(row[:3]) for row in rows]), ended).values(status="expired"),
            execution_options={"synchronize_session": False},
        )
        note([(row.brand_id, row.member_id, row.coupon_id, row.status) for row in rows], to="expired", cause="expire")
    for row in rows:
        outbox.emit(
            Expired(
                brand_id=row.brand_id, member_id=row.member_id, coupon_id=row.coupon_id, campaign_id=row.campaign_id
            )
        )
    return len(rows)


def withdraw() -> int:
    """Void a chunk of open coupons of campaigns that were voided; returns how many."""
    withdrawn = exists().where(
        Campaign.brand_id == Coupon.brand_id,
        Campaign.campaign_id == Coupon.campaign_id,
        Campaign.status == "voided",
    )
    return void_where("campaign_voided", withdrawn, limit=CHUNK)


def release_ended_locks() -> int:
    """Let go a chunk of coupons whose hold has ended; returns how many."""
    now = clock.now()
    ended = and_(Coupon.status == "locked", Coupon.locked_until <= now)
    rows = session.execute(
        select(*_KEY).where(ended).order_by(Coupon.locked_until).limit(CHUNK).with_for_update(skip_locked=True)
    ).all()
    if rows:
        session.execute(
            update(Coupon)
            .where(tuple_(*_KEY).in_([tuple(row) for row in rows]), ended)
            .values(status="claimed", locked_order=None, locked_until=None),
            execution_options={"synchronize_session": False},
        )
        note([(*row, "locked") for row in rows], to="claimed", cause="lock_ended")
    return len(rows)
