"""What a member had is written off when they are forgotten: the ledger stays whole and balanced, and says nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from app.core import context, ids
from app.core.db import session

CAUSE = "erased"

_LOCK = text("""
SELECT member_id, amount FROM balance
WHERE brand_id = :brand_id AND member_id = ANY (CAST(:members AS bigint[])) AND currency = 'points'
ORDER BY member_id FOR UPDATE
""")

# One journal for a member: each lot is emptied, debt (what no lot stands for) is forgiven, and the rest of the world
# gets the difference. A member written off before has nothing left, so doing it again writes nothing.
_WRITE_OFF = text("""
WITH held AS (
    SELECT lot_id, remaining, row_number() OVER (ORDER BY lot_id) AS line FROM lot
    WHERE brand_id = :brand_id AND member_id = :member_id AND remaining > 0
), entry AS (
    INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
    VALUES (:brand_id, :member_id, :journal_id, 'points', 'adjust', :cause || ':' || :journal_id, :at, :correlation_id)
    RETURNING journal_id
), emptied AS (
    UPDATE lot SET remaining = 0
    FROM held WHERE lot.brand_id = :brand_id AND lot.member_id = :member_id AND lot.lot_id = held.lot_id
), cleared AS (
    UPDATE balance SET amount = 0
    WHERE brand_id = :brand_id AND member_id = :member_id AND currency = 'points'
)
INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
SELECT :brand_id, :member_id, journal_id, part.line, part.account, part.lot_id, part.amount
FROM entry, LATERAL (
    SELECT line + 1 AS line, 'member' AS account, lot_id, -remaining AS amount FROM held
    UNION ALL
    SELECT 0, 'member', NULL, (SELECT coalesce(sum(remaining), 0) FROM held)::bigint - CAST(:amount AS bigint)
    UNION ALL
    SELECT 1, 'adjusted', NULL, CAST(:amount AS bigint)
) AS part
WHERE part.amount <> 0
""")


def write_off(*, brand_id: int, member_ids: Sequence[int], at: datetime) -> int:
    """Book out all points of a member and of those merged into it; returns how many points that were."""
    rows = session.execute(_LOCK, {"brand_id": brand_id, "members": list(member_ids)}).all()
    for member_id, amount in rows:
        if amount:
            session.execute(
                _WRITE_OFF,
                {
                    "brand_id": brand_id,
                    "member_id": member_id,
                    "journal_id": ids.new_id(),
                    "cause": CAUSE,
                    "at": at,
                    "correlation_id": context.correlation_id(),
                    "amount": amount,
                },
            )
    return sum(max(amount, 0) for _, amount in rows)
