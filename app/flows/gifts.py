"""What members are given on an occasion: a first phone, an order, a friend they brought, a birthday.

An occasion and its coupons are two steps, as a tier's benefits are: a campaign that is sold out holds up its own coupon
only, and that delivery can be revived when there is stock again.
"""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from app.core import clock, ids, outbox
from app.core.db import session
from app.core.slots import Slot
from app.coupons import commands as coupons
from app.coupons import queries, referrals
from app.coupons.events import BirthdaysDue, GiftDue
from app.coupons.gift_rules import BIRTHDAY_HOUR, ONCE, SOURCE_OF, born_on, ref
from app.coupons.issue_models import GiftRule
from app.identity import queries as identity
from app.members import queries as members
from app.members.events import Bound, Joined
from app.members.family import living_id
from app.org import queries as org
from app.privacy import queries as privacy
from app.privacy.rules import MARKETING
from app.sales import queries as sales
from app.sales.events import OrderPaid, OrderRefunded

from . import owed_coupons

CHUNK = 200


def on_bound(event: Bound) -> None:
    """A phone was proved. Noted also where nothing is given now: a rule of tomorrow is for who comes tomorrow."""
    assert event.member_id is not None
    rules = queries.gift_rules(event.brand_id, "welcome")
    coupons.grant(brand_id=event.brand_id, member_id=event.member_id, kind="welcome", occasion=ONCE, rules=rules)


def invited(*, brand_id: int, person_id: int, code: str | None) -> None:
    """A shopper opened the mini-program by a member's invitation. What is none of the brand's is ignored, and so is
    one's own, and one for somebody who is a member.
    """
    referrer_id = referrals.referrer_of(brand_id, code) if code else None
    referrer = members.living(brand_id, referrer_id) if referrer_id is not None else None
    if referrer is None or referrer.status != "active" or referrer.person_id == identity.resolve(person_id):
        return
    if members.member_of(brand_id, person_id) is None:
        referrals.invite(brand_id=brand_id, person_id=person_id, referrer_id=referrer.member_id)


def on_joined(event: Joined) -> None:
    """A new member: was it somebody's invitation? Then both are given what there is for it."""
    assert event.member_id is not None and event.person_id is not None
    if event.source != "miniapp":
        return
    person_ids = identity.all_ids_of(event.person_id)
    referral = referrals.joined(brand_id=event.brand_id, person_ids=person_ids, member_id=event.member_id)
    if referral is None or _one(event.brand_id, referral.referrer_id, event.member_id):
        return
    brand_id, newcomer = event.brand_id, ids.encode("mbr", event.member_id)
    for member_id, kind, occasion in (
        (referral.referrer_id, "referrer", newcomer),
        (event.member_id, "referred", ONCE),
    ):
        rules = queries.gift_rules(brand_id, kind)
        coupons.grant(brand_id=brand_id, member_id=member_id, kind=kind, occasion=occasion, rules=rules)


def on_order_paid(event: OrderPaid) -> None:
    """An order of a member gives what the rules say from its amount on, as far as that still stands."""
    rules = queries.gift_rules(event.brand_id, "order") if event.member_id is not None else []
    owed = [rule for rule in rules if _stands(event.brand_id, event.member_id or 0, event.order_id, rule)]
    if owed and event.member_id is not None:
        occasion = ids.encode("ord", event.order_id)
        coupons.grant(
            brand_id=event.brand_id, member_id=event.member_id, kind="order", occasion=occasion, rules=owed
        )


def on_order_refunded(event: OrderRefunded) -> None:
    """What the order gave and no longer stands for goes back, unless it was used or the rule lets it be kept."""
    if event.member_id is None:
        return
    rules = queries.gift_rules(event.brand_id, "order", active=False)
    over = [rule for rule in rules if not _stands(event.brand_id, event.member_id, event.order_id, rule)]
    coupons.take_back_gift(
        brand_id=event.brand_id,
        member_id=event.member_id,
        kind="order",
        occasion=ids.encode("ord", event.order_id),
        rules=over,
    )


def deliver(event: GiftDue) -> None:
    """Issue one coupon of an occasion. The gift is held, so that a refund of its order comes before or after."""
    assert event.member_id is not None
    living = coupons.hold_gift(
        brand_id=event.brand_id, member_id=event.member_id, kind=event.kind, occasion=event.occasion
    )
    member = members.member(event.brand_id, living) if living is not None else None
    if member is None or member.status == "erased" or not _still_owed(event, member.member_id):
        return
    owed_coupons.give(
        brand_id=event.brand_id,
        member_id=member.member_id,
        campaign_id=event.campaign_id,
        source=SOURCE_OF[event.kind],
        source_ref=ref(event.kind, event.occasion, event.rule_id),
        store_id=member.home_store_id,
    )


def open_birthdays(slot: Slot) -> None:
    """Slot coupons.birthdays, each hour: the days that have come where it is morning already."""
    for brand in org.brands():
        local = clock.now().astimezone(ZoneInfo(brand.timezone))
        if local.hour >= BIRTHDAY_HOUR:
            for rule in queries.gift_rules(brand.id, "birthday"):
                coupons.open_birthdays(rule=rule, today=local.date())


def birthdays(event: BirthdaysDue) -> None:
    """Work off one chunk of the members whose birthday it is; a full one is followed by another. Once a year each,
    whatever birthday they tell us next, and not for who wants no advertising.
    """
    rule = queries.gift_rule(event.brand_id, event.rule_id)
    if not rule.active:
        return
    birthday = date.fromisoformat(event.day) + timedelta(days=rule.days_before)
    found = members.born_on(event.brand_id, born_on(birthday), after=event.after, limit=CHUNK)
    for member_id in found:
        if privacy.allowed(event.brand_id, member_id, MARKETING, "miniapp"):
            coupons.grant(
                brand_id=event.brand_id,
                member_id=member_id,
                kind="birthday",
                occasion=f"{birthday.year}:{rule.rule_id}",
                rules=[rule],
            )
    if len(found) == CHUNK:
        outbox.emit(
            BirthdaysDue(brand_id=event.brand_id, rule_id=event.rule_id, day=event.day, after=found[-1])
        )


def _still_owed(event: GiftDue, member_id: int) -> bool:
    if event.kind == "order":
        rule = queries.gift_rule(event.brand_id, event.rule_id)
        return _stands(event.brand_id, member_id, ids.decode("ord", event.occasion), rule)
    if event.kind == "referrer":
        return not _one(event.brand_id, member_id, ids.decode("mbr", event.occasion))
    return True


def _stands(brand_id: int, member_id: int, order_id: int, rule: GiftRule) -> bool:
    """Whether an order is worth a rule's gift now: paid since there is the rule, and enough of it not given back."""
    order = sales.order(brand_id, living_id(brand_id, member_id), order_id)
    if order is None or order.paid_at < rule.created_at:
        return False
    session.refresh(order)
    left = order.paid_fen - (0 if rule.keep_on_refund else order.refunded_fen)
    return left >= max(rule.min_fen, 1)


def _one(brand_id: int, one: int, other: int) -> bool:
    """Whether two members turned out to be one."""
    return living_id(brand_id, one) == living_id(brand_id, other)
