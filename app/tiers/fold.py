"""What a merge of two members does to their tiers and benefits, and a split undoes.

Runs after the ledger's fold, with both growth balances locked by it. Benefits granted move, so that what one of them
had is not given again. The loser's present span ends; the winner gets the best of what either had and what the
growth of both reaches. A split takes out what its merge began and lets go on what it ended; a tier that was reached
afterwards stays if the growth that is left still reaches it. What others bring who stay merged is the work of their
merge, whenever it is noticed, and goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, insert, select, text

from app.core import clock, context, moving, outbox
from app.core.db import session
from app.members import queries as members
from app.members.family import Homecoming, erased
from app.points import queries as points
from app.points.models import GROWTH

from .erase import erase
from .events import Upgraded
from .models import BenefitGrant, MemberTier
from .queries import standing
from .rules import Standing, Step, step_for

_GRANTS = moving.Family(head=cast(Table, BenefitGrant.__table__), unique=("benefit_id", "period"))
_INSTANT = timedelta(microseconds=1)
_END = text("""
UPDATE member_tier SET valid_to = greatest(valid_from + interval '1 microsecond', :at), ended_by = :merge_id
WHERE brand_id = :brand_id AND member_id = :member_id AND valid_to IS NULL
RETURNING tier_id
""")
_ENDED = text("""
SELECT member_id, valid_from, valid_to FROM member_tier
WHERE brand_id = :brand_id AND member_id = ANY (CAST(:members AS bigint[])) AND ended_by = :merge_id
ORDER BY valid_from
""")
_UNBEGIN = text("""
DELETE FROM member_tier
WHERE brand_id = :brand_id AND member_id = ANY (CAST(:members AS bigint[])) AND begun_by = :merge_id
RETURNING member_id, valid_to, ended_by
""")
_GO_ON = text("""
UPDATE member_tier SET valid_to = :valid_to, ended_by = :ended_by
WHERE brand_id = :brand_id AND member_id = :member_id AND valid_from = :valid_from
""")
_BEGIN = insert(cast(Table, MemberTier.__table__))


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    moving.move(_GRANTS, brand_id=brand_id, source_id=loser_id, target_id=winner_id)
    now = clock.now()
    had_id = _end(brand_id, loser_id, merge_id, now)
    where = standing(brand_id, winner_id)
    had = next((step for step in where.ladder if step.tier_id == had_id), None)
    growth = points.growth_since(brand_id, winner_id, where.window_start(now))
    reached = step_for(where.ladder, growth)
    best = _best((where.current, had, reached))
    if best is None or best == where.current:
        return
    _end(brand_id, winner_id, merge_id, now)
    _begin(brand_id, winner_id, where, best, now, merge_id)
    if best != had:
        # Neither of them was there: together they have earned it, with all that it gives.
        outbox.emit(
            Upgraded(
                brand_id=brand_id,
                member_id=winner_id,
                from_tier_id=where.current.tier_id if where.current else None,
                tier_id=best.tier_id,
                tier_name=best.name,
            )
        )


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None:
    moving.bring_home(_GRANTS, brand_id=brand_id, target_id=loser_id, home=home)
    merged_at = _undo(brand_id, {*home.homes, loser_id}, loser_id, merge_id)
    if erased(brand_id, loser_id):  # with everybody who was one with them
        erase(brand_id=brand_id, member_ids=[*home.homes, loser_id], at=clock.now())
    elif home.root not in home.origins:
        _look_again(brand_id, home.root, [one for one in home.homes[1:] if one not in home.origins], merged_at)


def _undo(brand_id: int, member_ids: Iterable[int], loser_id: int, merge_id: int) -> datetime:
    """Take out the spans a merge began and let those it ended go on; answers when it ended the loser's (now, if the
    loser had none).
    """
    theirs = {"brand_id": brand_id, "members": list(member_ids), "merge_id": merge_id}
    rows = session.execute(_ENDED, theirs).all()
    begun = {row.member_id: row for row in session.execute(_UNBEGIN, theirs)}
    # The last one it ended of each member: what came late was ended as well, and is the past by now.
    for member_id, row in {row.member_id: row for row in rows}.items():
        after = begun.get(member_id)
        session.execute(
            _GO_ON,
            {
                "brand_id": brand_id,
                "member_id": member_id,
                "valid_from": row.valid_from,
                "valid_to": after.valid_to if after else None,
                "ended_by": after.ended_by if after else None,
            },
        )
    return next((row.valid_to for row in rows if row.member_id == loser_id and row.valid_to), clock.now())


def _look_again(brand_id: int, member_id: int, merged: list[int], merged_at: datetime) -> None:
    """Give the one who lives on the tier that is theirs without what was parted from them.

    A tier they had before the merge stays until its review. One reached since stays if the growth that is left reaches
    it, or if somebody who is still merged into them had it.
    """
    now = clock.now()
    where = standing(brand_id, member_id)
    if where.current is None and not points.balances(brand_id, member_id)[GROWTH]:
        return  # they had not been placed yet, nor have they anything to be placed by
    growth = points.growth_since(brand_id, member_id, where.window_start(now))
    earned = [step_for(where.ladder, growth)]
    if where.current is None or where.since is None or where.since < merged_at:
        earned.append(where.current)
    else:
        earned += _held_at(brand_id, [member_id], where, merged_at)
    best = _best([*earned, *_last_held(brand_id, merged, where)])
    if best is None or best == where.current:
        return
    because = next((edge.merge_id for edge in reversed(members.standing_merges(brand_id, merged))), None)
    _end(brand_id, member_id, because, now)
    _begin(brand_id, member_id, where, best, now, because)


def _held_at(brand_id: int, member_ids: list[int], where: Standing, at: datetime) -> list[Step]:
    """The tier members had just before a moment."""
    rows = session.scalars(
        select(MemberTier.tier_id).where(
            MemberTier.brand_id == brand_id,
            MemberTier.member_id.in_(member_ids),
            MemberTier.valid_from < at,
            MemberTier.valid_to >= at,
        )
    )
    return _steps(where, rows)


def _last_held(brand_id: int, member_ids: list[int], where: Standing) -> list[Step]:
    """The tiers that merged members had when they were merged."""
    if not member_ids:
        return []
    rows = session.scalars(
        select(MemberTier.tier_id).where(
            MemberTier.brand_id == brand_id, MemberTier.member_id.in_(member_ids), MemberTier.ended_by.is_not(None)
        )
    )
    return _steps(where, rows)


def _steps(where: Standing, tier_ids: Iterable[int]) -> list[Step]:
    wanted = set(tier_ids)
    return [step for step in where.ladder if step.tier_id in wanted]


def _best(steps: Iterable[Step | None]) -> Step | None:
    return max((step for step in steps if step is not None), key=lambda step: step.rank, default=None)


def _end(brand_id: int, member_id: int, merge_id: int | None, at: datetime) -> int | None:
    """End the present span; answers its tier."""
    return session.scalar(_END, {"brand_id": brand_id, "member_id": member_id, "merge_id": merge_id, "at": at})


def _begin(brand_id: int, member_id: int, where: Standing, step: Step, at: datetime, merge_id: int | None) -> None:
    session.execute(
        _BEGIN,
        {
            "brand_id": brand_id,
            "member_id": member_id,
            "valid_from": at if where.since is None else max(at, where.since + _INSTANT),
            "valid_to": None,
            "tier_id": step.tier_id,
            "reason": "merge",
            "correlation_id": context.correlation_id(),
            "begun_by": merge_id,
        },
    )
