"""Writes of tiers. Whoever changes a member's tier holds the member's growth balance row."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.core import clock, context, outbox
from app.core.db import session
from app.members import family
from app.points import commands as points
from app.points import queries as points_queries
from app.points.models import GROWTH

from .events import BenefitGranted, Downgraded, Upgraded
from .models import Benefit, BenefitGrant, MemberTier
from .queries import standing, unprotected
from .rules import Standing, Step, lowered, raised

_SET_BASED = {"synchronize_session": False}


def evaluate(*, brand_id: int, member_id: int, growth: int, at: datetime, known: Standing | None = None) -> Step | None:
    """Move a member up to the tier that `growth` (of the window that ends at `at`) reaches; None when nothing changes.

    The caller has the growth balance locked, by earning or by `points.commands.hold`. `known` spares a read when the
    standing was read under that lock. A member without a tier is placed on the first one, unless it was forgotten.
    Emits tiers.upgraded.
    """
    where = known or standing(brand_id, member_id)
    step = raised(where, growth)
    if step is None or where.current is None and family.erased(brand_id, member_id):
        return None
    _move(brand_id, member_id, where, step, at, "reached")
    outbox.emit(
        Upgraded(
            brand_id=brand_id,
            member_id=member_id,
            from_tier_id=where.current.tier_id if where.current else None,
            tier_id=step.tier_id,
            tier_name=step.name,
        )
    )
    return step


def place(*, brand_id: int, member_id: int, at: datetime) -> Step | None:
    """Put a member on the tier the ledger says, if that is higher than the present one (or there is none)."""
    points.hold(brand_id=brand_id, member_id=member_id, currency=GROWTH)
    where = standing(brand_id, member_id)
    growth = points_queries.growth_since(brand_id, member_id, where.window_start(at))
    return evaluate(brand_id=brand_id, member_id=member_id, growth=growth, at=at, known=where)


def review(*, brand_id: int, after: int, at: datetime, limit: int) -> int | None:
    """Lower the tiers of one chunk of members, by id from `after` on, whose window no longer holds the growth.

    Returns the last member id looked at, or None when the chunk was the last. Emits tiers.downgraded.
    """
    asked = unprotected(brand_id, after=after, at=at, limit=limit)
    if not asked:
        return None
    members = list(asked)
    window_start = standing(brand_id, members[0]).window_start(at)
    growth = points_queries.growth_of(brand_id, members, window_start)
    for member_id in members:
        if growth[member_id] < asked[member_id]:  # a first look without a lock; `_lower` looks again with it
            _lower(brand_id, member_id, at)
    return members[-1] if len(members) == limit else None


def grant(*, brand_id: int, member_id: int, benefit: Benefit, period: str) -> bool:
    """Owe a member a benefit for a period; False when it was granted before. Emits tiers.benefit_granted.

    Who was merged into another is owed it as that other, who may have it already.
    """
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    granted = session.scalar(
        upsert(BenefitGrant)
        .values(
            brand_id=brand_id,
            member_id=member_id,
            benefit_id=benefit.benefit_id,
            period=period,
            granted_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(BenefitGrant.benefit_id)
    )
    if granted is None:
        return False
    outbox.emit(
        BenefitGranted(
            brand_id=brand_id,
            member_id=member_id,
            benefit_id=benefit.benefit_id,
            period=period,
            campaign_id=benefit.campaign_id,
            points=benefit.points,
        )
    )
    return True


def _lower(brand_id: int, member_id: int, at: datetime) -> None:
    points.hold(brand_id=brand_id, member_id=member_id, currency=GROWTH)
    where = standing(brand_id, member_id)
    growth = points_queries.growth_since(brand_id, member_id, where.window_start(at))
    step = lowered(where, growth, at)
    if step is None or where.current is None:
        return
    _move(brand_id, member_id, where, step, at, "review")
    outbox.emit(
        Downgraded(
            brand_id=brand_id,
            member_id=member_id,
            from_tier_id=where.current.tier_id,
            tier_id=step.tier_id,
            tier_name=step.name,
        )
    )


def _move(brand_id: int, member_id: int, where: Standing, step: Step, at: datetime, reason: str) -> None:
    """End the present span and begin the next at the same instant; the exclusion constraint stands behind it."""
    begin = at
    if where.since is not None:
        begin = max(at, where.since + timedelta(microseconds=1))
        session.execute(
            update(MemberTier)
            .where(MemberTier.brand_id == brand_id, MemberTier.member_id == member_id, MemberTier.valid_to.is_(None))
            .values(valid_to=begin),
            execution_options=_SET_BASED,
        )
    session.execute(
        insert(MemberTier).values(
            brand_id=brand_id,
            member_id=member_id,
            valid_from=begin,
            valid_to=None,
            tier_id=step.tier_id,
            reason=reason,
            correlation_id=context.correlation_id(),
        )
    )
