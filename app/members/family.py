"""Who a member is together with those merged into it, and how to keep a member from being merged under one's hands.

Every write that must not land on a member who was merged a moment ago goes through `keep`. It holds the member's row
FOR KEY SHARE: any number of such writes go on side by side, and beside every change of the member's facts, but a merge
(which locks both members FOR UPDATE before it moves anything) waits for them and then sees all that they wrote.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import or_, select, text

from app.core.db import session
from app.core.errors import Busy
from app.identity.rules import subtree

from .models import Member, MemberMerge

_TRIES = 10
_KEEP = text("SELECT merged_into FROM member WHERE brand_id = :brand_id AND member_id = :member_id FOR KEY SHARE")
_ERASED = text("""
SELECT EXISTS (
    SELECT FROM member m
    JOIN member root ON root.brand_id = m.brand_id AND root.member_id = coalesce(m.merged_into, m.member_id)
    WHERE m.brand_id = :brand_id AND m.member_id = :member_id AND root.status = 'erased'
)
""")
_FAMILY = """
WITH root AS (
    SELECT coalesce(
        (SELECT merged_into FROM member WHERE brand_id = :brand_id AND member_id = :member_id), :member_id
    ) AS member_id
)
SELECT 0 AS part, member_id FROM root
UNION ALL
SELECT 1, m.member_id FROM member m JOIN root ON m.brand_id = :brand_id AND m.merged_into = root.member_id
"""
_LOSERS = """
SELECT 2 AS part, loser_id AS member_id FROM member_merge
WHERE brand_id = :brand_id AND winner_id = ANY (CAST(:winners AS bigint[])) AND revoked_at IS NULL
"""
_HOMECOMING = text(f"{_FAMILY} UNION ALL {_LOSERS} ORDER BY part, member_id")


class Family(NamedTuple):
    """`root`: who lives on. `homes`: the root and all merged into it, where rows of theirs may stand."""

    root: int
    homes: tuple[int, ...]


class Homecoming(NamedTuple):
    """`root`: who lives on; `homes`: the root and all merged into it, where rows of theirs may stand; `origins`: the
    loser and all that were merged into it, by the merges that stand, who go along with it.
    """

    root: int
    homes: tuple[int, ...]
    origins: tuple[int, ...]


def keep(*, brand_id: int, member_id: int) -> int:
    """The living member behind an id, kept from being merged until the transaction ends.

    An id no member has is answered as it is.
    """
    for _ in range(_TRIES):
        row = session.execute(_KEEP, {"brand_id": brand_id, "member_id": member_id}).one_or_none()
        if row is None or row.merged_into is None:
            return member_id
        member_id = row.merged_into
    raise Busy(retry_after=1)


def living_id(brand_id: int, member_id: int) -> int:
    """The member an id means now; an id no member has is answered as it is."""
    root = session.scalar(select(Member.merged_into).where(Member.brand_id == brand_id, Member.member_id == member_id))
    return member_id if root is None else root


def erased(brand_id: int, member_id: int) -> bool:
    """Whether a member, or the one it was merged into, was forgotten and gets nothing any more."""
    return session.execute(_ERASED, {"brand_id": brand_id, "member_id": member_id}).scalar_one()


def family(brand_id: int, member_id: int) -> Family:
    """Everybody who is one with a member now."""
    rows = session.execute(text(f"{_FAMILY} ORDER BY part, member_id"), {"brand_id": brand_id, "member_id": member_id})
    homes = tuple(row.member_id for row in rows)
    return Family(homes[0], homes)


def homecoming(brand_id: int, winner_id: int, loser_id: int) -> Homecoming:
    """What a split has to know: see Homecoming. `winner_id` may have been merged into another since."""
    rows = session.execute(_HOMECOMING, {"brand_id": brand_id, "member_id": winner_id, "winners": [loser_id]}).all()
    homes = tuple(row.member_id for row in rows if row.part < 2)
    origins, asked = [loser_id], [row.member_id for row in rows if row.part == 2]
    while asked:
        origins += asked
        losers = session.execute(text(_LOSERS), {"brand_id": brand_id, "winners": asked})
        asked = [row.member_id for row in losers if row.member_id not in origins]
    return Homecoming(homes[0], homes, tuple(origins))


def related(brand_id: int, member_ids: Collection[int]) -> dict[int, set[int]]:
    """Each of these members with everybody who was ever merged with it, directly or through others, whether or not they
    were parted since.
    """
    edges: list[tuple[int, int]] = []
    known, asked = set(member_ids), set(member_ids)
    while asked:
        rows = session.execute(
            select(MemberMerge.winner_id, MemberMerge.loser_id).where(
                MemberMerge.brand_id == brand_id,
                or_(MemberMerge.winner_id.in_(asked), MemberMerge.loser_id.in_(asked)),
            )
        ).all()
        edges += [way for winner, loser in rows for way in ((winner, loser), (loser, winner))]
        asked = {one for edge in edges for one in edge} - known
        known |= asked
    return {one: subtree(one, edges) for one in member_ids} if edges else {one: {one} for one in member_ids}
