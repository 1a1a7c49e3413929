"""A till opens or imports a store card: the card and the phone become one person's, and the person a member."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.core import ids
from app.identity import queries as identity_queries
from app.identity.errors import IdentityErased
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as members_queries
from app.members.models import Member
from app.privacy import queries as privacy

from . import people
from .mall_account import DEFAULT_SYSTEM, mall_identity


@dataclass(frozen=True, kw_only=True)
class Opened:
    """`new` is False when the person was a member before; `review` says that ids contradict and a human will look."""

    member: Member
    new: bool
    review: bool


def card_identity(brand_id: int, card_no: str) -> Identity:
    """The identity of a brand's store card. Cards of all tills of a brand share one system."""
    return Identity("card", ids.encode("brd", brand_id), card_no)


def open_card(
    *,
    brand_id: int,
    store_id: int,
    card_no: str,
    phone: str,
    name: str | None = None,
    opened_at: datetime | None = None,
    birthday: date | None = None,
) -> Opened:
    """Join the holder of a card, known by card and phone, to the brand; the same card again changes nothing.

    The card is the anchor: when the phone belongs to someone with another card, both stay apart and a review opens.
    With `opened_at` it is history, told by nobody who stands at the till: IdentityErased for somebody who was erased.
    """
    number, history = mobile(phone), opened_at is not None
    linked = people.link(
        brand_id=brand_id,
        ids=[card_identity(brand_id, card_no), number],
        source="till",
        evidence={"store": ids.encode("sto", store_id)},
        passive=history,
    )
    if history and privacy.left(brand_id, linked.person_id):
        raise IdentityErased()
    before = members_queries.member_of(brand_id, linked.person_id)
    is_theirs = linked.conflict is None and not linked.refused
    member_id = members.join(
        brand_id=brand_id,
        person_id=linked.person_id,
        source="till",
        store_id=store_id,
        card_no=card_no,
        name=name,
        phone_tail=number.value[-4:] if is_theirs else None,
        birthday=birthday,
        joined_at=opened_at,
    )
    people.adopt(brand_id=brand_id, person_id=linked.person_id)
    member = members_queries.member(brand_id, member_id)
    assert member is not None
    return Opened(member=member, new=before is None, review=linked.conflict is not None)


def find_member(
    brand_id: int,
    *,
    number: str | None = None,
    phone: str | None = None,
    card_no: str | None = None,
    mall_account: str | None = None,
    mall_system: str = DEFAULT_SYSTEM,
) -> Member | None:
    """The living member a till or mall means by a member number, a phone, a card or a mall account: the first of them
    that is given.
    """
    if number is not None:
        found = members_queries.by_number(brand_id, number)
    elif phone is not None or card_no is not None or mall_account is not None:
        if phone is not None:
            one = mobile(phone)
        elif card_no is not None:
            one = card_identity(brand_id, card_no)
        else:
            one = mall_identity(brand_id, mall_account or "", mall_system)
        person_id = identity_queries.person_of(one)
        found = None if person_id is None else members_queries.member_of(brand_id, person_id)
    else:
        return None
    return found if found is not None and found.status != "erased" else None
