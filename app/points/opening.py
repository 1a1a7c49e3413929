"""Opening balances of members who come from another system: once per member and source, a thousand at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from sqlalchemy import select

from app.core import bulk, context, ids
from app.core.db import session
from app.members import family

from .models import POINTS, Journal

# As `commands.earn`, for many members: the unique cause decides, what debt swallows never becomes a lot.
_OPEN = """
WITH entry AS (
    INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
    SELECT %(brand_id)s, member_id, journal_id, %(currency)s, 'adjust', cause, %(at)s, %(correlation_id)s
    FROM staged_opening ORDER BY member_id
    ON CONFLICT (brand_id, member_id, currency, kind, cause) DO NOTHING
    RETURNING member_id, journal_id
), opening AS (
    SELECT s.* FROM staged_opening s JOIN entry USING (member_id, journal_id) WHERE s.amount > 0
), total AS (
    INSERT INTO balance (brand_id, member_id, currency, amount, floor)
    SELECT %(brand_id)s, member_id, %(currency)s, amount, 0 FROM opening ORDER BY member_id
    ON CONFLICT (brand_id, member_id, currency) DO UPDATE SET amount = balance.amount + excluded.amount
    RETURNING member_id, amount
), split AS (
    SELECT o.*, greatest(0, least(o.amount, t.amount)) AS kept FROM opening o JOIN total t USING (member_id)
), new_lot AS (
    INSERT INTO lot (brand_id, member_id, lot_id, journal_id, earned, remaining, expires_at)
    SELECT %(brand_id)s, member_id, lot_id, journal_id, amount, kept, %(expires_at)s::timestamptz FROM split
    WHERE lot_id IS NOT NULL
), lines AS (
    INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
    SELECT %(brand_id)s, member_id, journal_id, part.line, part.account, part.lot_id, part.amount
    FROM split, LATERAL (VALUES
        (1, 'member', lot_id, kept), (2, 'member', NULL, split.amount - kept), (3, 'adjusted', NULL, -split.amount)
    ) AS part (line, account, lot_id, amount)
    WHERE part.amount <> 0
)
SELECT member_id FROM entry
"""


def open_balances(
    *,
    brand_id: int,
    currency: str,
    openings: Sequence[tuple[int, str, int]],
    at: datetime,
    expires_at: datetime | None = None,
) -> set[int]:
    """Give members what they had elsewhere: (member, cause, amount), once per cause and no event.

    One opening a member in a call. Returns the members whose opening was new. A cause counts once for all who were ever
    one: a file may be read again after a merge or a split, and names somebody else then. The caller holds the members.
    """
    openings = _not_had_before(brand_id, currency, openings)
    if not openings:
        return set()
    count = len(openings)
    lots = ids.new_ids(count) if currency == POINTS else [None] * count
    bulk.stage(
        "staged_opening",
        pa.table(
            {
                "member_id": pa.array([member for member, _, _ in openings], pa.int64()),
                "cause": pa.array([cause for _, cause, _ in openings], pa.string()),
                "amount": pa.array([amount for _, _, amount in openings], pa.int64()),
                "journal_id": pa.array(ids.new_ids(count), pa.int64()),
                "lot_id": pa.array(lots, pa.int64()),
            }
        ),
    )
    told = {"brand_id": brand_id, "currency": currency, "at": at, "correlation_id": context.correlation_id()}
    return {row[0] for row in bulk.fetch(_OPEN, {**told, "expires_at": expires_at})}


def _not_had_before(
    brand_id: int, currency: str, openings: Sequence[tuple[int, str, int]]
) -> list[tuple[int, str, int]]:
    """Without those whose cause opened the balance of somebody the member was merged with."""
    kin = family.related(brand_id, [member for member, _, _ in openings])
    merged = {member: ones for member, ones in kin.items() if len(ones) > 1}
    if not merged:
        return list(openings)
    had = session.execute(
        select(Journal.member_id, Journal.cause).where(
            Journal.brand_id == brand_id,
            Journal.member_id.in_(set().union(*merged.values())),
            Journal.currency == currency,
            Journal.kind == "adjust",
            Journal.cause.in_([cause for member, cause, _ in openings if member in merged]),
        )
    )
    known = {(member, cause) for member, cause in had}
    return [one for one in openings if not any((other, one[1]) in known for other in kin[one[0]])]
