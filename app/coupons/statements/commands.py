"""Closing a month: one person asks, which fixes what is to be closed, and another one closes just that."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.core import clock, context
from app.core.db import session
from app.core.locks import lock_name

from . import queries
from .errors import (
    ClosingNotAsked,
    EarlierMonthOpen,
    MonthClosed,
    MonthNotOver,
    SecondCloserNeeded,
    StatementChanged,
)
from .models import CouponMonth, CouponStatement, CouponStatementLine

# A line as it is hashed; moments by their microsecond, whatever the session's time zone.
_LINE = """concat_ws('|', redemption_id, kind, part, (extract(epoch FROM at) * 1000000)::bigint, campaign_id, order_no,
    coalesce(supplier, ''), discount_fen, hq_fen, dealer_fen, supplier_fen)"""
BY_STORE = f"""
    SELECT store_id, count(*) AS lines, sum(discount_fen) AS discount_fen, sum(hq_fen) AS hq_fen,
           sum(dealer_fen) AS dealer_fen, sum(supplier_fen) AS supplier_fen,
           encode(sha256(convert_to(string_agg({_LINE}, E'\\n' ORDER BY redemption_id, kind, part), 'UTF8')), 'hex')
               AS digest
    FROM ({{lines}}) l GROUP BY store_id
"""
_WHOLE = f"""
    SELECT coalesce(sum(lines), 0) AS lines, coalesce(sum(discount_fen), 0) AS discount_fen,
           coalesce(sum(hq_fen), 0) AS hq_fen, coalesce(sum(dealer_fen), 0) AS dealer_fen,
           coalesce(sum(supplier_fen), 0) AS supplier_fen,
           encode(sha256(convert_to(coalesce(string_agg(store_id || ':' || digest, ',' ORDER BY store_id), ''),
                  'UTF8')), 'hex') AS digest
    FROM ({BY_STORE}) s
"""
_COLUMNS = "brand_id, store_id, redemption_id, kind, part, at, campaign_id, order_no, supplier"
_FEN = "discount_fen, hq_fen, dealer_fen, supplier_fen"
# In the order of the key, which also has all lines found before the first is written: looked for among those that are
# being written, each would cost more than the last.
_FREEZE = f"""
    INSERT INTO {CouponStatementLine.__tablename__} ({_COLUMNS}, {_FEN}, month)
    SELECT {_COLUMNS}, {_FEN}, CAST(:month AS date) FROM ({{lines}}) l
    ORDER BY store_id, redemption_id, kind, part
"""
_TOTAL = f"""
    INSERT INTO {CouponStatement.__tablename__} (brand_id, store_id, month, lines, {_FEN}, digest)
    SELECT CAST(:brand_id AS bigint), store_id, CAST(:month AS date), lines, {_FEN}, digest FROM ({BY_STORE}) s
"""


class Asked(NamedTuple):
    """What a month holds: lines, fen, and the digest that closes it."""

    lines: int
    discount_fen: int
    hq_fen: int
    dealer_fen: int
    supplier_fen: int
    digest: str


def ask(*, brand_id: int, month: date, by: str) -> Asked:
    """Ask for a month to be closed as it stands now; asked again, the newer question counts.

    Raises MonthNotOver, EarlierMonthOpen, MonthClosed.
    """
    _alone(brand_id)
    since, until = queries.bounds(brand_id, month)
    now = clock.now()
    if until > now:
        raise MonthNotOver()
    if queries.is_closed(brand_id, month):
        raise MonthClosed()
    if not queries.closed_before(brand_id, month) and queries.anything_before(brand_id, since):
        raise EarlierMonthOpen()
    found = _whole(brand_id, month)
    values = {
        **found._asdict(),
        "status": "asked",
        "asked_by": by,
        "asked_at": now,
        "correlation_id": context.correlation_id(),
    }
    session.execute(
        insert(CouponMonth)
        .values(brand_id=brand_id, month=month, **values)
        .on_conflict_do_update(index_elements=["brand_id", "month"], set_=values)
    )
    return found


def close(*, brand_id: int, month: date, digest: str, by: str) -> None:
    """Close a month as it was asked for: its lines are copied and never change again.

    `digest` is the one the second person has seen. Raises ClosingNotAsked, SecondCloserNeeded, MonthClosed, and
    StatementChanged when the lines are no longer those.
    """
    _alone(brand_id)
    if queries.is_closed(brand_id, month):
        raise MonthClosed()
    record = queries.month(brand_id, month)
    if record is None:
        raise ClosingNotAsked()
    if record.asked_by == by:
        raise SecondCloserNeeded()
    lines, values = queries.lines_of(brand_id, month)
    _run(_FREEZE.format(lines=lines), values | {"month": month})
    session.execute(
        update(CouponMonth)
        .where(CouponMonth.brand_id == brand_id, CouponMonth.month == month, CouponMonth.status == "asked")
        .values(status="closed", closed_by=by, closed_at=clock.now(), correlation_id=context.correlation_id()),
        execution_options={"synchronize_session": False},
    )
    # From here on the month's lines are the frozen ones. They, not a second look, are what has to be as asked for.
    if digest != record.digest or _whole(brand_id, month).digest != digest:
        raise StatementChanged()
    frozen, values = queries.lines_of(brand_id, month)
    _run(_TOTAL.format(lines=frozen), values)


def _whole(brand_id: int, month: date) -> Asked:
    lines, values = queries.lines_of(brand_id, month)
    row = _run(_WHOLE.format(lines=lines), values).one()
    lines_and_fen = {name: int(value) for name, value in row._mapping.items() if name != "digest"}
    return Asked(**lines_and_fen, digest=row.digest)


def _alone(brand_id: int) -> None:
    """One at a time closes books of a brand: two months at once could both take the same late line."""
    lock_name(f"coupon_month:{brand_id}")


def _run(statement: str, values: dict[str, Any]) -> Any:
    return session.execute(text(statement).bindparams(bindparam("stores", type_=ARRAY(BigInteger))), values)
