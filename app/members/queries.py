"""Reads of members. Every one is within a brand; rows are for reading, `commands` changes them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from app.core.db import session
from app.identity import queries as identity

from .models import Member, MemberNumber, Membership


def member(brand_id: int, member_id: int) -> Member | None:
    """The member, read afresh."""
    return session.get(Member, (brand_id, member_id), populate_existing=True)


def member_of(brand_id: int, person_id: int) -> Member | None:
    """The membership of a person, by any person id that ever meant this human."""
    member_id = session.scalar(
        select(Membership.member_id).where(
            Membership.brand_id == brand_id, Membership.person_id == identity.resolve(person_id)
        )
    )
    return None if member_id is None else member(brand_id, member_id)


def by_number(brand_id: int, number: str) -> Member | None:
    """The member with the number on their card page."""
    member_id = session.scalar(
        select(MemberNumber.member_id).where(MemberNumber.brand_id == brand_id, MemberNumber.number == number)
    )
    return None if member_id is None else member(brand_id, member_id)


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
