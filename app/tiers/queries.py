"""Reads of tiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, select, text, tuple_

from app.core.db import session
from app.members.models import Member

from .models import Benefit, BenefitGrant, MemberTier, Tier, TierPolicy
from .rules import Standing, Step

_STANDING = text("""
SELECT t.tier_id, t.code, t.name, t.rank, t.growth_from, t.points_rate_bp, p.window_days, p.protection_days,
  m.valid_from
FROM tier t
LEFT JOIN tier_policy p ON p.brand_id = t.brand_id
LEFT JOIN member_tier m ON m.brand_id = t.brand_id AND m.tier_id = t.tier_id AND m.member_id = :member_id
  AND m.valid_to IS NULL
WHERE t.brand_id = :brand_id
ORDER BY t.rank
""")


@dataclass(frozen=True, kw_only=True)
class CurrentTier:
    """A member's tier and the one above it; `next_growth` is the window's growth that one needs."""

    tier_id: int
    code: str
    name: str
    rank: int
    next_name: str | None
    next_growth: int | None
    since: datetime
    window_days: int


def standing(brand_id: int, member_id: int) -> Standing:
    """The brand's ladder and policy with the member's place on it, read afresh in one statement.

    A brand without a policy counts growth of 365 days and protects nothing.
    """
    rows = session.execute(_STANDING, {"brand_id": brand_id, "member_id": member_id}).all()
    steps = tuple(
        Step(tier_id=row[0], code=row[1], name=row[2], rank=row[3], growth_from=row[4], points_rate_bp=row[5])
        for row in rows
    )
    place = next((index for index, row in enumerate(rows) if row.valid_from is not None), None)
    policy = rows[0] if rows and rows[0].window_days is not None else None
    return Standing(
        ladder=steps,
        window_days=policy.window_days if policy else 365,
        protection_days=policy.protection_days if policy else 0,
        current=steps[place] if place is not None else None,
        since=rows[place].valid_from if place is not None else None,
    )


def current(brand_id: int, member_id: int) -> CurrentTier | None:
    """The member's tier, or None before the first placement."""
    found = standing(brand_id, member_id)
    if found.current is None or found.since is None:
        return None
    above = found.next_step()
    return CurrentTier(
        tier_id=found.current.tier_id,
        code=found.current.code,
        name=found.current.name,
        rank=found.current.rank,
        next_name=above.name if above else None,
        next_growth=above.growth_from if above else None,
        since=found.since,
        window_days=found.window_days,
    )


def ladder(brand_id: int) -> Sequence[Tier]:
    """The brand's tiers by rank."""
    return session.scalars(select(Tier).where(Tier.brand_id == brand_id).order_by(Tier.rank)).all()


def benefits_of(brand_id: int, tier_id: int) -> Sequence[Benefit]:
    """What a tier gives."""
    return session.scalars(
        select(Benefit).where(Benefit.brand_id == brand_id, Benefit.tier_id == tier_id).order_by(Benefit.benefit_id)
    ).all()


def unprotected(brand_id: int, *, after: int, at: datetime, limit: int) -> dict[int, int]:
    """Members whose tier asks for growth and whose protection is over: ids from `after` on -> the growth asked for."""
    policy = session.get(TierPolicy, brand_id)
    protected_since = at - timedelta(days=policy.protection_days if policy else 0)
    rows = session.execute(
        select(MemberTier.member_id, Tier.growth_from)
        .join(Tier, and_(Tier.brand_id == MemberTier.brand_id, Tier.tier_id == MemberTier.tier_id))
        .where(
            MemberTier.brand_id == brand_id,
            MemberTier.member_id > after,
            MemberTier.valid_to.is_(None),
            MemberTier.valid_from <= protected_since,
            Tier.growth_from > 0,
        )
        .order_by(MemberTier.member_id)
        .limit(limit)
    )
    return {row.member_id: row.growth_from for row in rows}


def ungranted(brand_id: int, *, periods: dict[str, str], limit: int) -> list[tuple[int, Benefit]]:
    """Members and the recurring benefits of their present tier that they have not had in the period that runs. Who was
    forgotten is owed nothing.

    `periods` maps `monthly` and `yearly` to the running period's name.
    """
    had = exists().where(
        BenefitGrant.brand_id == MemberTier.brand_id,
        BenefitGrant.member_id == MemberTier.member_id,
        BenefitGrant.benefit_id == Benefit.benefit_id,
        tuple_(Benefit.period, BenefitGrant.period).in_(list(periods.items())),
    )
    forgotten = exists().where(
        Member.brand_id == MemberTier.brand_id, Member.member_id == MemberTier.member_id, Member.status == "erased"
    )
    rows = session.execute(
        select(MemberTier.member_id, Benefit)
        .join(Benefit, and_(Benefit.brand_id == MemberTier.brand_id, Benefit.tier_id == MemberTier.tier_id))
        .where(
            MemberTier.brand_id == brand_id,
            MemberTier.valid_to.is_(None),
            Benefit.period.in_(periods),
            ~had,
            ~forgotten,
        )
        .order_by(MemberTier.member_id, Benefit.benefit_id)
        .limit(limit)
    )
    return [(member_id, benefit) for member_id, benefit in rows]
