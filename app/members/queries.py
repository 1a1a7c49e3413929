"""Reads of members. Every one is within a brand; rows are for reading, `commands` changes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, select

from app.core import hot
from app.core.db import session
from app.identity import queries as identity

from .models import Member, MemberNumber, Membership


def member(brand_id: int, member_id: int) -> Member | None:
    """The member, read afresh."""
    return session.get(Member, (brand_id, member_id), populate_existing=True)


def living(brand_id: int, member_id: int) -> Member | None:
    """The member an id means now: itself, or the one it was merged into. For every id that comes from outside or from
    an event, as either may be older than the merge.
    """
    found = member(brand_id, member_id)
    return found if found is None or found.merged_into is None else member(brand_id, found.merged_into)


def member_of(brand_id: int, person_id: int) -> Member | None:
    """The membership of a person, by any person id that ever meant this human."""
    member_id = session.scalar(
        select(Membership.member_id).where(
            Membership.brand_id == brand_id, Membership.person_id == identity.resolve(person_id)
        )
    )
    return None if member_id is None else member(brand_id, member_id)


def by_number(brand_id: int, number: str) -> Member | None:
    """The member with the number on their card page, also when it was printed for one who was merged since."""
    member_id = session.scalar(
        select(MemberNumber.member_id).where(MemberNumber.brand_id == brand_id, MemberNumber.number == number)
    )
    return None if member_id is None else living(brand_id, member_id)


def brands_shared(person_ids: Sequence[int]) -> list[int]:
    """Brands in which more than one of these living persons is a member."""
    return list(
        session.scalars(
            select(Membership.brand_id)
            .where(Membership.person_id.in_(person_ids))
            .group_by(Membership.brand_id)
            .having(func.count() > 1)
        )
    )


def memberships(person_id: int) -> list[Member]:
    """The person's memberships of all brands of the group: for flows; a brand's users see only their own."""
    return list(
        session.scalars(
            select(Member)
            .join(
                Membership,
                (Membership.brand_id == Member.brand_id) & (Membership.member_id == Member.member_id),
            )
            .where(Membership.person_id == identity.resolve(person_id))
            .order_by(Member.joined_at)
        )
    )


class Standing(NamedTuple):
    """A living person and what they are to a brand: no member, or a member with a status."""

    person_id: int
    member_id: int | None
    status: str | None


_STANDING = """
SELECT living.person_id, member.member_id, member.status
FROM (SELECT coalesce(merged_into, person_id) AS person_id FROM person WHERE person_id = %(person_id)s) AS living
LEFT JOIN membership ON membership.brand_id = %(brand_id)s AND membership.person_id = living.person_id
LEFT JOIN member ON member.brand_id = membership.brand_id AND member.member_id = membership.member_id
"""


def standing(brand_id: int, person_id: int) -> Standing | None:
    """Who a person id is now, and whether a member: one statement on the hot pool, as every shopper's request asks."""
    row = hot.fetch_one(_STANDING, {"brand_id": brand_id, "person_id": person_id})
    return None if row is None else Standing(*row)
