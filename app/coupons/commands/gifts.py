"""Gift rules, and the occasions on which members are given what they say: each once, whoever merges with whom.

An occasion is a row of the member it was first granted to. It follows a merge as coupons do; the coupon itself is
issued by a flow under a name made of the occasion and the rule, so that this happens once as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, case, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, ids, outbox
from app.core.db import session
from app.members import family

from .. import queries
from ..errors import GiftRuleExists, GiftRuleUnknown
from ..events import BirthdaysDue, GiftDue
from ..gift_rules import SOURCE_OF, owed_days, ref
from ..issue_models import Gift, GiftRule
from ..models import Coupon
from .void import void_where


def add_gift_rule(
    *,
    brand_id: int,
    kind: str,
    campaign_id: int,
    created_by: str,
    min_fen: int = 0,
    keep_on_refund: bool = False,
    days_before: int = 0,
) -> int:
    """A new rule, active from now on; its id. Raises CampaignUnknown, GiftRuleExists."""
    queries.campaign(brand_id, campaign_id)
    rule_id = session.scalar(
        insert(GiftRule)
        .values(
            brand_id=brand_id,
            rule_id=ids.new_id(),
            kind=kind,
            campaign_id=campaign_id,
            min_fen=min_fen,
            keep_on_refund=keep_on_refund,
            days_before=days_before,
            active=True,
            created_by=created_by,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["brand_id", "kind", "campaign_id"])
        .returning(GiftRule.rule_id)
    )
    if rule_id is None:
        raise GiftRuleExists()
    return rule_id


def change_gift_rule(*, brand_id: int, rule_id: int, **values: Any) -> None:
    """Switch a rule on or off (`active`) or change what it asks for; GiftRuleUnknown. The days on which a birthday rule
    was off are past when it is switched on.
    """
    if values.get("active"):
        yesterday = queries.today(brand_id) - timedelta(days=1)
        was_off = and_(~GiftRule.active, GiftRule.ran_day < yesterday)
        values["ran_day"] = case((was_off, yesterday), else_=GiftRule.ran_day)
    done = session.execute(
        update(GiftRule)
        .where(GiftRule.brand_id == brand_id, GiftRule.rule_id == rule_id)
        .values(**values)
        .returning(GiftRule.rule_id),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    if done is None:
        raise GiftRuleUnknown()


def grant(*, brand_id: int, member_id: int, kind: str, occasion: str, rules: Iterable[GiftRule]) -> bool:
    """Note that an occasion has come for a member and have each of these rules' coupons delivered; False when it had
    come before, to this member or to one merged into it.
    """
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    new = session.scalar(
        insert(Gift)
        .values(
            brand_id=brand_id,
            member_id=member_id,
            kind=kind,
            occasion=occasion,
            granted_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(Gift.member_id)
    )
    if new is None:
        return False
    for rule in rules:
        outbox.emit(
            GiftDue(
                brand_id=brand_id,
                member_id=member_id,
                rule_id=rule.rule_id,
                campaign_id=rule.campaign_id,
                kind=kind,
                occasion=occasion,
            )
        )
    return True


def hold_gift(*, brand_id: int, member_id: int, kind: str, occasion: str) -> int | None:
    """Whose the gift of an occasion is now, the member kept and the gift held until the transaction ends; None when
    there is none.
    """
    living = family.keep(brand_id=brand_id, member_id=member_id)
    found = session.scalar(
        select(Gift.member_id)
        .where(
            Gift.brand_id == brand_id,
            Gift.member_id.in_(family.family(brand_id, living).homes),
            Gift.kind == kind,
            Gift.occasion == occasion,
        )
        .order_by(Gift.member_id)
        .limit(1)
        .with_for_update()
    )
    return living if found is not None else None


def take_back_gift(*, brand_id: int, member_id: int, kind: str, occasion: str, rules: Sequence[GiftRule]) -> int:
    """Void what these rules gave on an occasion, as far as it is still unused, also where a friend has it by now;
    returns how many coupons that were.
    """
    living = hold_gift(brand_id=brand_id, member_id=member_id, kind=kind, occasion=occasion)
    if living is None or not rules:
        return 0
    homes, voided = family.family(brand_id, living).homes, 0
    given = session.scalars(
        select(Coupon.coupon_id).where(
            Coupon.brand_id == brand_id,
            Coupon.member_id.in_(homes),
            Coupon.source == SOURCE_OF[kind],
            Coupon.source_ref.in_([ref(kind, occasion, rule.rule_id) for rule in rules]),
        )
    ).all()
    asked = [(homes, coupon_id) for coupon_id in given]
    while asked:
        homes, coupon_id = asked.pop()
        voided += void_where(
            "gift_taken_back",
            Coupon.brand_id == brand_id,
            Coupon.member_id.in_(homes),
            Coupon.coupon_id == coupon_id,
        )
        # Looked up only now: a friend who was about to take it has it, or finds it voided.
        passed = queries.passed_on(brand_id, homes, coupon_id)
        if passed is not None:
            friend_id = family.keep(brand_id=brand_id, member_id=passed.taken_by)
            asked.append((family.family(brand_id, friend_id).homes, passed.coupon_id))
    return voided


def open_birthdays(*, rule: GiftRule, today: date) -> int:
    """Ask for the days of a birthday rule that have come in its brand, each once however many ask; how many."""
    held = session.scalar(
        select(GiftRule)
        .where(GiftRule.brand_id == rule.brand_id, GiftRule.rule_id == rule.rule_id, GiftRule.active)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    days = owed_days(held.ran_day, today) if held is not None else []
    for day in days:
        outbox.emit(BirthdaysDue(brand_id=rule.brand_id, rule_id=rule.rule_id, day=day.isoformat()))
    if held is not None and days:
        held.ran_day = today
        session.flush()
    return len(days)
