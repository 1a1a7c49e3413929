"""Writes of the ledger. Each takes the member's balance row before it touches a lot, and nobody touches a lot without.

Whoever holds that row owns the member's lots, so a statement that starts afterwards sees them as they are. The only
thing taken earlier is a new journal's own cause, which waits for nobody but its own repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, tuple_

from app.core import context, ids
from app.core.db import session
from app.members import family

from .errors import NotEnough
from .models import POINTS, Balance, Journal, Lot

# A cause that one of the members merged into this one has had, with the journal that stayed there.
_HAD_BEFORE_MERGE = """
    EXISTS (
        SELECT FROM member m
        JOIN journal j ON j.brand_id = m.brand_id AND j.member_id = m.member_id
        WHERE m.brand_id = :brand_id AND m.merged_into = {member_id}
          AND j.currency = :currency AND j.kind = '{kind}' AND j.cause = :cause
    )"""

# Journal, balance, lot and postings in one statement. The unique cause decides whether anything happens at all.
# What debt swallows never becomes a lot: of the amount, only what lifts the balance above zero can be spent later.
# The member's row is held as `members.family.keep` holds it, so that a merge waits; who was merged a moment ago earns
# as the one who lives on.
_EARN = text(f"""
WITH kept AS (
    SELECT coalesce(merged_into, member_id) AS member_id FROM member
    WHERE brand_id = :brand_id AND member_id = :member_id FOR KEY SHARE
), owner AS (
    SELECT coalesce((SELECT member_id FROM kept), :member_id) AS member_id
), entry AS (
    INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
    SELECT :brand_id, member_id, :journal_id, :currency, 'earn', :cause, CAST(:at AS timestamptz), :correlation_id
    FROM owner WHERE NOT {_HAD_BEFORE_MERGE.format(member_id="owner.member_id", kind="earn")}
    ON CONFLICT (brand_id, member_id, currency, kind, cause) DO NOTHING
    RETURNING member_id, journal_id
), total AS (
    INSERT INTO balance (brand_id, member_id, currency, amount, floor)
    SELECT :brand_id, member_id, :currency, CAST(:amount AS bigint), 0 FROM entry
    ON CONFLICT (brand_id, member_id, currency) DO UPDATE SET amount = balance.amount + excluded.amount
    RETURNING member_id, amount
), split AS (
    SELECT member_id, greatest(0, least(CAST(:amount AS bigint), amount)) AS kept FROM total
), new_lot AS (
    INSERT INTO lot (brand_id, member_id, lot_id, journal_id, earned, remaining, expires_at)
    SELECT :brand_id, member_id, CAST(:lot_id AS bigint), :journal_id, CAST(:amount AS bigint), kept,
           CAST(:expires_at AS timestamptz)
    FROM split WHERE CAST(:lot_id AS bigint) IS NOT NULL
), lines AS (
    INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
    SELECT :brand_id, member_id, :journal_id, part.line, part.account, part.lot_id, part.amount
    FROM split, LATERAL (VALUES
        (1, 'member', CAST(:lot_id AS bigint), kept),
        (2, 'member', NULL, CAST(:amount AS bigint) - kept),
        (3, 'issued', NULL, -CAST(:amount AS bigint))
    ) AS part (line, account, lot_id, amount)
    WHERE part.amount <> 0
)
SELECT amount FROM total
""")

# The guard is the UPDATE's own condition, the CHECK behind it and the unique cause; lots go earliest expiry first.
_SPEND = text(f"""
WITH total AS (
    UPDATE balance SET amount = amount - :amount
    WHERE brand_id = :brand_id AND member_id = :member_id AND currency = :currency AND amount - :amount >= floor
      AND NOT EXISTS (
        SELECT FROM journal
        WHERE brand_id = :brand_id AND member_id = :member_id AND currency = :currency
          AND kind = 'spend' AND cause = :cause
      )
      AND NOT {_HAD_BEFORE_MERGE.format(member_id=":member_id", kind="spend")}
    RETURNING amount
), entry AS (
    INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
    SELECT :brand_id, :member_id, :journal_id, :currency, 'spend', :cause, CAST(:at AS timestamptz), :correlation_id
    FROM total
    RETURNING journal_id
), queue AS (
    SELECT lot_id, remaining,
           sum(remaining) OVER (ORDER BY expires_at NULLS LAST, lot_id) - remaining AS before
    FROM lot
    WHERE brand_id = :brand_id AND member_id = :member_id AND remaining > 0 AND :currency = 'points'
), used AS (
    SELECT lot_id, least(remaining, :amount - before)::bigint AS part, row_number() OVER (ORDER BY before) AS line
    FROM queue, entry WHERE before < :amount
), drawn AS (
    UPDATE lot SET remaining = lot.remaining - used.part
    FROM used
    WHERE lot.brand_id = :brand_id AND lot.member_id = :member_id AND lot.lot_id = used.lot_id
    RETURNING used.part
), lines AS (
    INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
    SELECT :brand_id, :member_id, journal_id, part.line, part.account, part.lot_id, part.amount
    FROM entry, LATERAL (
        SELECT line + 1, 'member', lot_id, -part FROM used
        UNION ALL SELECT 0, 'member', NULL, coalesce((SELECT sum(part) FROM used), 0)::bigint - :amount
        UNION ALL SELECT 1, 'spent', NULL, :amount
    ) AS part (line, account, lot_id, amount)
    WHERE part.amount <> 0
)
SELECT amount FROM total
""")

_EXPIRE = text("""
WITH due AS (
    SELECT member_id, lot_id, journal_id, amount
    FROM unnest(CAST(:members AS bigint[]), CAST(:lots AS bigint[]), CAST(:journals AS bigint[]),
                CAST(:amounts AS bigint[])) AS due (member_id, lot_id, journal_id, amount)
), entry AS (
    INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
    SELECT :brand_id, member_id, journal_id, 'points', 'expire', 'lot:' || lot_id, :at, :correlation_id FROM due
), emptied AS (
    UPDATE lot SET remaining = lot.remaining - due.amount
    FROM due WHERE lot.brand_id = :brand_id AND lot.member_id = due.member_id AND lot.lot_id = due.lot_id
), lines AS (
    INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
    SELECT :brand_id, member_id, journal_id, 1, 'member', lot_id, -amount FROM due
    UNION ALL SELECT :brand_id, member_id, journal_id, 2, 'expired', NULL, amount FROM due
)
UPDATE balance SET amount = balance.amount - gone.amount
FROM (SELECT member_id, sum(amount)::bigint AS amount FROM due GROUP BY member_id) AS gone
WHERE balance.brand_id = :brand_id AND balance.member_id = gone.member_id AND balance.currency = 'points'
""")

_HOLD = text("""
INSERT INTO balance (brand_id, member_id, currency, amount, floor)
VALUES (:brand_id, :member_id, :currency, 0, 0)
ON CONFLICT (brand_id, member_id, currency) DO UPDATE SET amount = balance.amount
""")


def earn(
    *,
    brand_id: int,
    member_id: int,
    currency: str,
    amount: int,
    cause: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> int | None:
    """Give a member points or growth, once per cause; the balance afterwards, None when the cause has earned before.

    An amount of zero is journalled as well (without postings): it proves that its cause was dealt with. The balance
    row stays locked until the transaction ends. Who was merged into another earns as that other, and a cause counts
    once for all who are one.
    """
    _check(amount, at_least=0)
    balance: int | None = session.scalar(
        _EARN,
        {
            **_entry(brand_id, member_id, currency, cause, at),
            "amount": amount,
            "lot_id": ids.new_id() if currency == POINTS and amount else None,
            "expires_at": expires_at,
        },
    )
    return balance


def spend(*, brand_id: int, member_id: int, currency: str = POINTS, amount: int, cause: str, at: datetime) -> bool:
    """Take points from a member, once per cause, from the lots that expire first; False when it was done before.

    Points that expired by `at` are booked out first and cannot be spent. Raises NotEnough below the floor. Who was
    merged into another spends as that other, and a cause counts once for all who are one.
    """
    _check(amount, at_least=1)
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    expire(brand_id=brand_id, member_ids=[member_id], at=at)
    entry = _entry(brand_id, member_id, currency, cause, at)
    if session.execute(_SPEND, {**entry, "amount": amount}).first() is not None:
        return True
    known = session.scalar(
        select(Journal.journal_id).where(
            Journal.brand_id == brand_id,
            Journal.member_id.in_(family.family(brand_id, member_id).homes),
            Journal.currency == currency,
            Journal.kind == "spend",
            Journal.cause == cause,
        )
    )
    if known is None:
        raise NotEnough(currency=currency, amount=amount)
    return False


def expire(*, brand_id: int, member_ids: Sequence[int], at: datetime) -> int:
    """Book out what the members hold in lots expired by `at`; returns how many lots that were.

    Locks their points balances, in order, whether or not anything has expired.
    """
    key = tuple_(Balance.brand_id, Balance.member_id, Balance.currency)
    session.execute(
        select(Balance.member_id)
        .where(Balance.brand_id == brand_id, Balance.member_id.in_(member_ids), Balance.currency == POINTS)
        .order_by(key)
        .with_for_update()
    )
    due = session.execute(
        select(Lot.member_id, Lot.lot_id, Lot.remaining).where(
            Lot.brand_id == brand_id, Lot.member_id.in_(member_ids), Lot.remaining > 0, Lot.expires_at <= at
        )
    ).all()
    if due:
        session.execute(
            _EXPIRE,
            {
                "brand_id": brand_id,
                "members": [row.member_id for row in due],
                "lots": [row.lot_id for row in due],
                "amounts": [row.remaining for row in due],
                "journals": ids.new_ids(len(due)),
                "at": at,
                "correlation_id": context.correlation_id(),
            },
        )
    return len(due)


def hold(*, brand_id: int, member_id: int, currency: str) -> None:
    """Lock a member's balance row until the transaction ends, making it when the member has none yet."""
    session.execute(_HOLD, {"brand_id": brand_id, "member_id": member_id, "currency": currency})


def _entry(brand_id: int, member_id: int, currency: str, cause: str, at: datetime) -> dict[str, Any]:
    return {
        "brand_id": brand_id,
        "member_id": member_id,
        "journal_id": ids.new_id(),
        "currency": currency,
        "cause": cause,
        "at": at,
        "correlation_id": context.correlation_id(),
    }


def _check(amount: int, *, at_least: int) -> None:
    if amount < at_least:
        raise ValueError(f"an amount of {amount} is below {at_least}")
