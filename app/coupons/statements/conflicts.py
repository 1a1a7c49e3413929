"""A memo beside a month: coupons that tills took offline which somebody else had used, or which were not good any more.

The store gave the discount away and nobody owes it anything for that, so these are no lines of any books.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from app.core.db import session

from .queries import bounds, typed

# The stores are named also when all are asked for: the index is by store.
BY_STORE = """
    SELECT store_id, count(*) AS receipts, sum(discount_fen) AS fen FROM offline_receipt
    WHERE brand_id = :brand_id AND store_id = ANY(:stores) AND received_at >= :since AND received_at < :until
      AND outcome IN ('conflict', 'over')
    GROUP BY store_id
"""


class Conflicts(NamedTuple):
    """How many receipts, and what they took off, within the store's quota or beyond it."""

    receipts: int = 0
    fen: int = 0


def by_store(brand_id: int, first: date, stores: Collection[int]) -> dict[int, Conflicts]:
    """What was told in a month of the brand's time zone; stores without any are not in it."""
    since, until = bounds(brand_id, first)
    values = {"brand_id": brand_id, "stores": sorted(stores), "since": since, "until": until}
    return {row.store_id: Conflicts(row.receipts, int(row.fen)) for row in session.execute(typed(BY_STORE), values)}


def total(parts: Iterable[Conflicts]) -> Conflicts:
    """Several as one."""
    told = [*parts]
    return Conflicts(sum(one.receipts for one in told), sum(one.fen for one in told))
