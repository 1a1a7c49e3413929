"""Reads of members. Every one is within a brand; rows are for reading, `commands` changes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, extract, func, or_, select, text

from app.core import hot
from app.core.db import session
from app.core.tokens import NOT_REVOKED
from app.identity import queries as identity

from .models import GuideHistory, Member, MemberMerge, MemberNumber, Membership

# What a merge and a split ask, built once.
# By brand: that is how the index on persons begins.
_IN_ALL_BRANDS = text("""
SELECT brand_id, member_id, person_id FROM member
WHERE brand_id IN (SELECT id FROM brand) AND person_id = ANY (CAST(:people AS bigint[]))
""")
_BY_BRAND = text("SELECT brand_id, member_id FROM membership WHERE person_id = :person_id")
_STANDING_MERGES = (
    select(MemberMerge)
    .where(
        MemberMerge.brand_id == bindparam("of_brand"),
        MemberMerge.loser_id.in_(bindparam("losers", expanding=True)),
        MemberMerge.revoked_at.is_(None),
    )
    .order_by(MemberMerge.merge_id)
)


def member(brand_id: int, member_id: int) -> Member | None:
    """The member, read afresh."""
    return session.get(Member, (brand_id, member_id), populate_existing=True)


def living(brand_id: int, member_id: int) -> Member | None:
    """The member an id means now: itself, or the one it was merged into. For every id that comes from outside or from
    an event, as either may be older than the merge.
    """
    found = member(brand_id, member_id)
    return found if found is None or found.merged_into is None else member(brand_id, found.merged_into)


def persons_of(brand_id: int, member_ids: Sequence[int]) -> dict[int, int]:
    """The living persons of these members as far as they are active, by member id."""
    rows = select(Member.member_id, Member.person_id).where(
        Member.brand_id == brand_id, Member.member_id.in_(member_ids), Member.status == "active"
    )
    return dict(session.execute(rows).all())


def member_of(brand_id: int, person_id: int) -> Member | None:
    """The membership of a person, by any person id that ever meant this human."""
    member_id = session.scalar(
        select(Membership.member_id).where(
            Membership.brand_id == brand_id, Membership.person_id == identity.resolve(person_id)
        )
    )
    return None if member_id is None else member(brand_id, member_id)


def born_on(brand_id: int, days: Sequence[tuple[int, int]], *, after: int, limit: int) -> Sequence[int]:
    """The next active members, by id, whose birthday is on one of these (month, day)."""
    mine = [
        (extract("month", Member.birthday) == month) & (extract("day", Member.birthday) == day) for month, day in days
    ]
    return session.scalars(
        select(Member.member_id)
        .where(Member.brand_id == brand_id, Member.status == "active", Member.member_id > after, or_(*mine))
        .order_by(Member.member_id)
        .limit(limit)
    ).all()


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


def member_ids_by_brand(person_id: int) -> dict[int, int]:
    """The member of each brand that a living person is a member of."""
    rows = session.execute(_BY_BRAND, {"person_id": person_id})
    return {row.brand_id: row.member_id for row in rows}


def all_of_person(brand_id: int, person_ids: Sequence[int]) -> list[tuple[int, int]]:
    """The keys of every member of these living persons in a brand, those merged into another among them."""
    rows = session.execute(
        select(Member.brand_id, Member.member_id).where(Member.brand_id == brand_id, Member.person_id.in_(person_ids))
    )
    return [(brand, member_id) for brand, member_id in rows]


def in_all_brands(person_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """The keys of every member of these living persons in any brand, merged and erased ones among them, with the
    person.
    """
    rows = session.execute(_IN_ALL_BRANDS, {"people": list(person_ids)})
    return {(row.brand_id, row.member_id): row.person_id for row in rows}


def standing_merges(brand_id: int, member_ids: Sequence[int]) -> list[MemberMerge]:
    """The merges that stand in which one of these members lost, oldest first."""
    return list(session.scalars(_STANDING_MERGES, {"of_brand": brand_id, "losers": list(member_ids)}))


def path_up(brand_id: int, member_id: int) -> list[MemberMerge]:
    """The standing merges from a member up to the living one, in the order to follow them; empty for a living one."""
    found: list[MemberMerge] = []
    while edges := standing_merges(brand_id, [found[-1].winner_id if found else member_id]):
        found.append(edges[0])
    return found


def owned_since(row: Member) -> GuideHistory | None:
    """How the member came to its present guide; None without a guide, or when nobody noted it."""
    if row.guide_id is None:
        return None
    return session.scalar(
        select(GuideHistory)
        .where(
            GuideHistory.brand_id == row.brand_id,
            GuideHistory.member_id == row.member_id,
            GuideHistory.guide_id == row.guide_id,
        )
        .order_by(GuideHistory.from_at.desc())
        .limit(1)
    )


class Standing(NamedTuple):
    """A living person and what they are to a brand: no member, or a member with a status. `digest` and `answer` are
    what stands under the idempotency key of the request, when the member used it before.
    """

    person_id: int
    member_id: int | None
    status: str | None
    digest: bytes | None = None
    answer: dict[str, Any] | None = None


STANDING = f"""
SELECT living.person_id, member.member_id, member.status, kept.request_hash, kept.answer
FROM (
    SELECT coalesce(merged_into, person_id) AS person_id FROM person
    WHERE person_id = %(person_id)s AND erased_at IS NULL
) AS living
LEFT JOIN membership ON membership.brand_id = %(brand_id)s AND membership.person_id = living.person_id
LEFT JOIN member ON member.brand_id = membership.brand_id AND member.member_id = membership.member_id
LEFT JOIN idempotency_key kept ON kept.scope = %(scope)s::text || member.member_id AND kept.key = %(key)s
WHERE {NOT_REVOKED}
"""


def standing(brand_id: int, person_id: int, token_id: str, *, scope: str = "", key: str = "") -> Standing | None:
    """Who a person id is now, and whether a member; None for nobody, or when the token that names them was revoked.
    `key`: the request's idempotency key, in the scope that begins with `scope` and ends with the member's id.

    One statement on the hot pool, as every shopper's request asks.
    """
    asked = {"brand_id": brand_id, "person_id": person_id, "jti": token_id, "scope": scope, "key": key}
    row = hot.fetch_one(STANDING, asked)
    return None if row is None else Standing(*row)
