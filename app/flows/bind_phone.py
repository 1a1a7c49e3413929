"""A shopper proved a phone number: whoever the till, the guide and the mini-program know becomes ONE member.

A number that somebody else is known by joins the two only where nothing speaks against it. Otherwise nothing is linked
and the shopper is asked (see phone_claim): a wallet never moves because of a number alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from app.channels import queries as channels
from app.core import clock
from app.core.errors import Busy
from app.coupons import queries as coupons
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.errors import IdentityBlocked
from app.identity.rules import Identity, clash, mobile
from app.members import commands as members
from app.members import queries as member_queries
from app.members.models import Member
from app.org import queries as org
from app.points import queries as points
from app.sales import queries as sales

from . import people, phone_rules
from .phone_rules import Facts, Held
from .till_member import card_identity

SOURCE = "miniapp.phone"
SIGNS = ("openid", "unionid", "external_userid")  # ids that come with the human, not from a file


@dataclass(frozen=True)
class Bound:
    """`member` as it is now, or None with the `reason` why the number stays with somebody else: a claim was opened
    (`claim_id`, and what may prove it) or a review is open, and the transaction must be committed so that it stays.
    """

    member: Member | None
    reason: str | None = None
    claim_id: int | None = None
    proofs: list[str] = field(default_factory=list)


def bind(*, brand_id: int, openid: Identity, phone: str) -> Bound:
    """Link the number WeChat vouched for to the logged-in user and make them a member.

    The person behind the number (a till card with its history) and the person behind the openid become one, the older
    id staying, unless there is doubt that they are one human. A free number takes the place of the one bound before. A
    member without an owning guide gets the one they added. Doing it again changes nothing. Raises IdentityBlocked for
    a number that identifies nobody.
    """
    number = mobile(phone)
    if identity_queries.refused([number]):
        raise IdentityBlocked()
    before: Identity | None = None
    mine, holder = identity_queries.person_of(openid), identity_queries.person_of(number)
    if mine is not None and holder is not None and mine != holder:
        mine, holder = identity.hold_both(mine, holder)
        if mine != holder and identity_queries.person_of(number) == holder:
            reason = phone_rules.doubt(_facts(mine, holder))
            if reason is not None:
                claim_id = identity.open_claim(
                    brand_id=brand_id, claimant_id=mine, holder_id=holder, number=number, reason=reason
                )
                return Bound(None, reason, claim_id, held(brand_id, holder).proofs)
    elif mine is not None and holder is None:
        before = replaced(brand_id, identity.hold(mine), number)
        let_go(before)
    linked = people.link(brand_id=brand_id, ids=[openid, number], source=SOURCE)
    if linked.conflict is not None:
        if before is not None and not (linked.reason or "").startswith("too_many_"):
            raise Busy(retry_after=1)  # somebody took the free number this moment: nothing is let go of, ask again
        return Bound(None, linked.reason)
    return Bound(settle(brand_id=brand_id, person_id=linked.person_id, number=number))


def replaced(brand_id: int, person_id: int, number: Identity) -> Identity | None:
    """The phone that a member had bound and that another one is about to take the place of."""
    member = member_queries.member_of(brand_id, person_id)
    before = identity_queries.phone_of(person_id)
    if member is None or member.bound_at is None or before is None or before == number.value:
        return None
    return mobile(before)


def let_go(phone: Identity | None) -> None:
    """Release a phone that was exchanged for another; its person is held."""
    if phone is not None:
        identity.release(identity=phone, reason="exchanged", evidence={"source": SOURCE})


def settle(*, brand_id: int, person_id: int, number: Identity) -> Member:
    """The person has the number now: make them the member it belongs to, and let every brand of theirs know it."""
    tail = number.value[-4:]
    if identity_queries.phone_of(person_id) != number.value:
        identity.prefer(identity=number)
    member_id = members.join(
        brand_id=brand_id,
        person_id=person_id,
        source="miniapp",
        store_id=_store_of_guide(brand_id, person_id),
        phone_tail=tail,
    )
    people.adopt(brand_id=brand_id, person_id=person_id)
    members.bind(brand_id=brand_id, member_id=member_id, phone_tail=tail)
    for one in member_queries.memberships(person_id):
        members.change_phone(brand_id=one.brand_id, member_id=one.member_id, phone_tail=tail, change="exchanged")
    member = member_queries.member(brand_id, member_id)
    assert member is not None
    return member


def held(brand_id: int, holder_id: int) -> Held:
    """What the brand's record of a person can be recognised by."""
    member = member_queries.member_of(brand_id, holder_id)
    if member is None:
        return Held(frozenset(), None, None)
    system = card_identity(brand_id, "-").namespace
    cards = {*identity_queries.values_of(holder_id, "card", system), member.number, member.card_no}
    return Held(frozenset(one for one in cards if one), member.birthday, member.plain_name)


def _facts(mine: int, holder: int) -> Facts:
    keys = identity_queries.keys_of([mine, holder])
    why = clash(keys[mine], keys[holder], by_phone=True)
    theirs = member_queries.memberships(holder)
    signs = [identity_queries.last_told(holder, SIGNS)]
    signs += [follow.changed_at for follow in channels.follows_of_person(holder)]
    for one in theirs:
        newest = sales.orders_of(one.brand_id, one.member_id, limit=1)
        signs += [one.joined_at, one.bound_at, *(order.paid_at for order in newest)]
    now = clock.now()
    return Facts(
        kept_apart=identity_queries.kept_apart(mine, holder),
        clash=why.reason if why is not None else None,
        two_members=bool(member_queries.brands_shared([mine, holder])),
        wallet=any(_has_wallet(one) for one in theirs),
        unseen=now - max((sign for sign in signs if sign is not None), default=now),
    )


def _has_wallet(member: Member) -> bool:
    key = (member.brand_id, member.member_id)
    return points.balances(*key)["points"] > 0 or coupons.counts(*key)["usable"] > 0


def _store_of_guide(brand_id: int, person_id: int) -> int | None:
    """Where the first guide works whom the person added: the home store of a member the till does not know."""
    for follow in channels.follows_of_person(person_id, brand_id=brand_id, active=True):
        guide = org.guide(follow.guide_id) if follow.guide_id is not None else None
        if guide is not None:
            return guide.store_id
    return None
