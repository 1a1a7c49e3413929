"""Gift rules, read in the open session."""

from __future__ import annotations

from sqlalchemy import func, select

from app.core.db import session

from ..errors import GiftRuleUnknown
from ..gift_rules import SOURCE_OF
from ..issue_models import GiftRule
from ..models import Coupon


def gift_rules(brand_id: int, kind: str | None = None, *, active: bool = True) -> list[GiftRule]:
    """The brand's rules, of one kind or of all, oldest first; `active` False: those switched off as well."""
    statement = select(GiftRule).where(GiftRule.brand_id == brand_id).order_by(GiftRule.rule_id)
    if kind is not None:
        statement = statement.where(GiftRule.kind == kind)
    if active:
        statement = statement.where(GiftRule.active)
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def given_by_rules(brand_id: int) -> dict[tuple[str, int], int]:
    """How many coupons of the brand came from gifts, by kind and campaign."""
    kind = func.split_part(Coupon.source_ref, ":", 1)
    rows = session.execute(
        select(kind, Coupon.campaign_id, func.count())
        .where(
            Coupon.brand_id == brand_id,
            Coupon.campaign_id.in_(select(GiftRule.campaign_id).where(GiftRule.brand_id == brand_id)),
            Coupon.source.in_(set(SOURCE_OF.values())),
        )
        .group_by(kind, Coupon.campaign_id)
    )
    return {(of, campaign_id): count for of, campaign_id, count in rows}


def gift_rule(brand_id: int, rule_id: int) -> GiftRule:
    """One rule of the brand; GiftRuleUnknown otherwise."""
    rule = session.get(GiftRule, (brand_id, rule_id), populate_existing=True)
    if rule is None:
        raise GiftRuleUnknown()
    return rule
