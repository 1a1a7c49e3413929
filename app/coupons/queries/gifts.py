"""Gift rules, read in the open session."""

from __future__ import annotations

from sqlalchemy import select

from app.core.db import session

from ..errors import GiftRuleUnknown
from ..issue_models import GiftRule


def gift_rules(brand_id: int, kind: str | None = None, *, active: bool = True) -> list[GiftRule]:
    """The brand's rules, of one kind or of all, oldest first; `active` False: those switched off as well."""
    statement = select(GiftRule).where(GiftRule.brand_id == brand_id).order_by(GiftRule.rule_id)
    if kind is not None:
        statement = statement.where(GiftRule.kind == kind)
    if active:
        statement = statement.where(GiftRule.active)
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def gift_rule(brand_id: int, rule_id: int) -> GiftRule:
    """One rule of the brand; GiftRuleUnknown otherwise."""
    rule = session.get(GiftRule, (brand_id, rule_id), populate_existing=True)
    if rule is None:
        raise GiftRuleUnknown()
    return rule
