"""Reads of rules and flags."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from app.core.db import session

from .errors import FlagUnknown
from .models import Flag, FraudRule, GuidePhone
from .rules import WATCHED, Rule


def rules(brand_id: int) -> dict[str, Rule]:
    """The watched rules by kind, as the brand wants them."""
    changed = {row.kind: row for row in session.scalars(select(FraudRule).where(FraudRule.brand_id == brand_id))}
    return {
        kind: replace(rule, threshold=row.threshold, seconds=row.window_seconds, active=row.active)
        if (row := changed.get(kind))
        else rule
        for kind, rule in WATCHED.items()
    }


def flag(brand_id: int, flag_id: int) -> Flag:
    """One flag of the brand; FlagUnknown otherwise."""
    row = session.scalar(
        select(Flag).where(Flag.brand_id == brand_id, Flag.flag_id == flag_id).execution_options(populate_existing=True)
    )
    if row is None:
        raise FlagUnknown()
    return row


def guide_phones(brand_id: int) -> dict[int, GuidePhone]:
    """The guides' own numbers that are known, by guide."""
    rows = session.scalars(select(GuidePhone).where(GuidePhone.brand_id == brand_id))
    return {row.guide_id: row for row in rows}
