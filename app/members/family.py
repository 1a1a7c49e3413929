"""Who a member is together with those merged into it, and how to keep a member from being merged under one's hands.

Every write that must not land on a member who was merged a moment ago goes through `keep`. It holds the member's row
FOR KEY SHARE: any number of such writes go on side by side, and beside every change of the member's facts, but a merge
(which locks both members FOR UPDATE before it moves anything) waits for them and then sees all that they wrote.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import or_, select, text

from app.core.db import session
from app.core.errors import Busy

from .models import Member, MemberMerge

_TRIES = 10
_KEEP = text("SELECT merged_into FROM member WHERE brand_id = :brand_id AND member_id = :member_id FOR KEY SHARE")
_FAMILY = text("""
WITH root AS (
    SELECT coalesce(
        (SELECT merged_into FROM member WHERE brand_id = :brand_id AND member_id = :member_id), :member_id
    ) AS root
)
SELECT root, coalesce(m.member_id, root) AS member_id
FROM root
LEFT JOIN member m ON m.brand_id = :brand_id AND m.merged_into = root
ORDER BY m.member_id
""")
_LOSERS = text("""
SELECT loser_id FROM member_merge
WHERE brand_id = :brand_id AND winner_id = ANY (CAST(:winners AS bigint[])) AND revoked_at IS NULL
""")


class Family(NamedTuple):
    """`root`: who lives on. `homes`: the root and all merged into it, where rows of theirs may stand."""

    root: int
    homes: tuple[int, ...]


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


def family(brand_id: int, member_id: int) -> Family:
    """Everybody who is one with a member now."""
    rows = session.execute(_FAMILY, {"brand_id": brand_id, "member_id": member_id}).all()
    return Family(rows[0].root, tuple(dict.fromkeys(one for row in rows for one in (row.root, row.member_id))))


def brought_by(brand_id: int, member_id: int) -> tuple[int, ...]:
    """A member and all that were merged into it, one by one or through each other, by the merges that stand.

    They go along when the member is parted from whom it was merged into.
    """
    found, asked = [member_id], [member_id]
    while asked:
        losers = session.scalars(_LOSERS, {"brand_id": brand_id, "winners": asked})
        asked = [one for one in losers if one not in found]
        found += asked
    return tuple(found)


def related(brand_id: int, member_id: int) -> tuple[int, ...]:
    """A member and everybody who was ever merged with it, whether or not they were parted since."""
    rows = session.execute(
        select(MemberMerge.winner_id, MemberMerge.loser_id).where(
            MemberMerge.brand_id == brand_id,
            or_(MemberMerge.winner_id == member_id, MemberMerge.loser_id == member_id),
        )
    )
    return tuple({member_id, *(one for row in rows for one in row)})
