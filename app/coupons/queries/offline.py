"""What tills took offline and told afterwards, and what a store may lose by it, read in the open session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select, tuple_

from app.core.db import session

from ..models import OfflineQuota, OfflineReceipt

EVERY = "every"  # the month that each new one begins as


class ToldOffline(NamedTuple):
    """A receipt and its place in a list."""

    receipt: OfflineReceipt
    place: tuple[datetime | int, ...]


class Quota(NamedTuple):
    """What a store's conflicts may come to in a month, and came to, in fen."""

    limit_fen: int
    used_fen: int


def told_offline(
    brand_id: int,
    *,
    within: ColumnElement[bool],
    outcomes: Collection[str],
    before: Sequence[Any] | None,
    limit: int,
) -> list[ToldOffline]:
    """Receipts with these outcomes of stores that `within` names, the last told first, after a place in the list."""
    mark = func.hashtextextended(OfflineReceipt.receipt_no, 0)
    order = (OfflineReceipt.received_at, OfflineReceipt.store_id, mark)
    statement = (
        select(OfflineReceipt, mark)
        .where(OfflineReceipt.brand_id == brand_id, within, OfflineReceipt.outcome.in_(outcomes))
        .order_by(*(column.desc() for column in order))
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(tuple_(*order) < tuple_(*before))
    return [
        ToldOffline(row, (row.received_at, row.store_id, number)) for row, number in session.execute(statement)
    ]


def offline_quotas(brand_id: int, month: str) -> dict[int, Quota]:
    """By store what conflicts may come to in a month (YYYY-MM); stores that were given nothing are not in it."""
    rows = session.execute(
        select(OfflineQuota.store_id, OfflineQuota.limit_fen, OfflineQuota.used_fen)
        .where(OfflineQuota.brand_id == brand_id, OfflineQuota.month.in_((EVERY, month)))
        .order_by(OfflineQuota.month.desc())  # what every month begins with, then the month's own over it
    )
    return {store_id: Quota(limit_fen, used_fen) for store_id, limit_fen, used_fen in rows}
