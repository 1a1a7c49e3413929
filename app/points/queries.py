"""Reads of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text, tuple_

from app.core.db import session
from app.members import family
from app.org.models import Brand

from .models import GROWTH, POINTS, Balance, EarnRule, Journal, Lot, Posting
from .rules import Rule, order_cause

_JOIN = (
    (Posting.brand_id == Journal.brand_id)
    & (Posting.member_id == Journal.member_id)
    & (Posting.journal_id == Journal.journal_id)
    & (Posting.account == "member")
)

_GROWTH = text("""
SELECT j.member_id, sum(p.amount)::bigint AS amount
FROM journal j
JOIN posting p ON p.brand_id = j.brand_id AND p.member_id = j.member_id AND p.journal_id = j.journal_id
WHERE j.brand_id = :brand_id AND j.member_id = ANY (CAST(:members AS bigint[])) AND j.currency = 'growth'
  AND j.at > :since AND p.account = 'member'
GROUP BY j.member_id
""")


@dataclass(frozen=True)
class Entry:
    """One line of a member's history; `amount` is what the member gained (or lost, below zero)."""

    journal_id: int
    kind: str
    cause: str
    amount: int
    at: datetime


def rule(brand_id: int) -> Rule | None:
    """What the brand's members earn; None when the brand has no rule and nothing is earned."""
    row = session.execute(
        select(EarnRule.points_per_yuan, EarnRule.growth_per_yuan, EarnRule.points_months, Brand.timezone)
        .join(Brand, Brand.id == EarnRule.brand_id)
        .where(EarnRule.brand_id == brand_id)
    ).one_or_none()
    if row is None:
        return None
    return Rule(points_per_yuan=row[0], growth_per_yuan=row[1], points_months=row[2], zone=ZoneInfo(row[3]))


def balances(brand_id: int, member_id: int) -> dict[str, int]:
    """`{"points": n, "growth": n}`; growth here is of all time, the tier looks at a window of it."""
    rows = session.execute(
        select(Balance.currency, Balance.amount).where(Balance.brand_id == brand_id, Balance.member_id == member_id)
    )
    return {POINTS: 0, GROWTH: 0} | {row.currency: row.amount for row in rows}


def growth_since(brand_id: int, member_id: int, since: datetime) -> int:
    """Growth a member gained after a moment."""
    return growth_of(brand_id, [member_id], since)[member_id]


def growth_of(brand_id: int, member_ids: Sequence[int], since: datetime) -> dict[int, int]:
    """Growth each of several members gained after a moment."""
    rows = session.execute(_GROWTH, {"brand_id": brand_id, "members": list(member_ids), "since": since})
    return dict.fromkeys(member_ids, 0) | {row.member_id: row.amount for row in rows}


def earned_by_order(brand_id: int, member_id: int, order_id: int) -> dict[str, int]:
    """What one order earned: `{"points": n, "growth": n}`, wherever its member was merged since."""
    rows = session.execute(
        select(Journal.currency, func.sum(Posting.amount))
        .join(Posting, _JOIN)
        .where(
            Journal.brand_id == brand_id,
            Journal.member_id.in_(family.family(brand_id, member_id).homes),
            Journal.kind == "earn",
            Journal.cause == order_cause(order_id),
        )
        .group_by(Journal.currency)
    )
    return {POINTS: 0, GROWTH: 0} | {currency: int(amount) for currency, amount in rows}


def history(
    brand_id: int,
    member_id: int,
    *,
    currency: str = POINTS,
    before: tuple[datetime, int] | None = None,
    limit: int = 20,
) -> list[Entry]:
    """A member's journal with amounts, newest first; `before` is (at, journal_id) of the last entry seen."""
    statement = (
        select(Journal.journal_id, Journal.kind, Journal.cause, func.sum(Posting.amount), Journal.at)
        .join(Posting, _JOIN)
        .where(
            Journal.brand_id == brand_id,
            Journal.member_id == member_id,
            Journal.currency == currency,
            # What a merge settles between a member's own points and debt is no gain and no loss.
            Journal.cause.not_like("settle:%"),
        )
        .group_by(Journal.brand_id, Journal.member_id, Journal.journal_id)
        .order_by(Journal.at.desc(), Journal.journal_id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(tuple_(Journal.at, Journal.journal_id) < before)
    return [Entry(row[0], row[1], row[2], int(row[3]), row[4]) for row in session.execute(statement)]


def members_with_expired_lots(brand_id: int, until: datetime, limit: int) -> list[int]:
    """Up to `limit` members, ascending, who hold points that expired by a moment."""
    return list(
        session.scalars(
            select(Lot.member_id)
            .where(Lot.brand_id == brand_id, Lot.remaining > 0, Lot.expires_at <= until)
            .distinct()
            .order_by(Lot.member_id)
            .limit(limit)
        )
    )
