"""A shopper proved a phone number: whoever the till, the guide and the mini-program know becomes ONE member."""

from __future__ import annotations

from dataclasses import dataclass

from app.channels import queries as channels
from app.identity.errors import IdentityBlocked
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as member_queries
from app.members.models import Member
from app.org import queries as org

from . import people


@dataclass(frozen=True)
class Bound:
    """`member` as it is now, or None with the `reason` why the number stays with somebody else: a review is open, and
    the transaction must be committed so that it stays.
    """

    member: Member | None
    reason: str | None = None


def bind(*, brand_id: int, openid: Identity, phone: str) -> Bound:
    """Link the number WeChat vouched for to the logged-in user and make them a member.

    The person behind the number (a till card with its history) and the person behind the openid become one, the older
    id staying; differing union ids or cards, or two memberships of this brand, keep them apart. A member without an
    owning guide gets the one they added. Doing it again changes nothing. Raises IdentityBlocked for a number that
    identifies nobody.
    """
    number = mobile(phone)
    linked = people.link(brand_id=brand_id, ids=[openid, number], source="miniapp.phone")
    if number in linked.refused:
        raise IdentityBlocked()
    if linked.conflict is not None:
        return Bound(None, linked.reason)
    member_id = members.join(
        brand_id=brand_id,
        person_id=linked.person_id,
        source="miniapp",
        store_id=_store_of_guide(brand_id, linked.person_id),
        phone_tail=number.value[-4:],
    )
    people.adopt(brand_id=brand_id, person_id=linked.person_id)
    members.bind(brand_id=brand_id, member_id=member_id, phone_tail=number.value[-4:])
    return Bound(member_queries.member(brand_id, member_id))


def _store_of_guide(brand_id: int, person_id: int) -> int | None:
    """Where the first guide works whom the person added: the home store of a member the till does not know."""
    for follow in channels.follows_of_person(person_id, brand_id=brand_id, active=True):
        guide = org.guide(follow.guide_id) if follow.guide_id is not None else None
        if guide is not None:
            return guide.store_id
    return None
