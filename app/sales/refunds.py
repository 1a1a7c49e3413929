"""Recording refunds: one way for tills and for imported history. Never more goes back than was paid, line by line.

The orders' rows are locked in order, then what is left of each line is known and stays so; the conditional UPDATE and
the CHECK behind it say it once more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from app.core import bulk, clock, context, ids, outbox
from app.core.errors import Busy, SiyuError

from .errors import RefundChanged, RefundLineUnknown, RefundTooMuch
from .events import OrderRefunded

_MOMENT = pa.timestamp("us", "UTC")
_KNOWN = """
    SELECT s.place, n.member_id, n.refund_id, n.content_hash
    FROM staged_refund s
    JOIN refund_number n ON n.brand_id = %(brand_id)s AND n.source = s.source AND n.refund_no = s.refund_no
"""
_HOLD = """
    SELECT o.order_id, o.member_id, o.walk_in, o.paid_fen - o.refunded_fen, o.import_id
    FROM sales_order o
    WHERE o.brand_id = %(brand_id)s
      AND (o.member_id, o.order_id) IN (SELECT DISTINCT member_id, order_id FROM staged_refund)
    ORDER BY o.member_id, o.order_id
    FOR UPDATE OF o
"""
_LINES = """
    SELECT l.order_id, l.line_no, l.paid_fen - l.refunded_fen
    FROM order_line l
    JOIN (SELECT DISTINCT member_id, order_id FROM staged_refund) s USING (member_id, order_id)
    WHERE l.brand_id = %(brand_id)s
"""
_TAKE = """
    INSERT INTO refund_number (brand_id, source, refund_no, member_id, refund_id, content_hash)
    SELECT %(brand_id)s, source, refund_no, member_id, refund_id, digest::bytea
    FROM staged_accepted ORDER BY source, refund_no
    ON CONFLICT DO NOTHING
"""
_LESSEN_LINES = """
    UPDATE order_line l SET refunded_fen = l.refunded_fen + s.fen
    FROM (
        SELECT member_id, order_id, line_no, sum(refunded_fen)::bigint AS fen
        FROM staged_back GROUP BY member_id, order_id, line_no
    ) s
    WHERE l.brand_id = %(brand_id)s AND l.member_id = s.member_id AND l.order_id = s.order_id AND l.line_no = s.line_no
      AND l.refunded_fen + s.fen <= l.paid_fen
"""
_LESSEN_ORDERS = """
    UPDATE sales_order o
    SET refunded_fen = o.refunded_fen + s.fen,
        status = CASE WHEN o.refunded_fen + s.fen = o.paid_fen AND o.paid_fen > 0 THEN 'refunded' ELSE o.status END
    FROM (
        SELECT member_id, order_id, sum(refunded_fen)::bigint AS fen FROM staged_accepted GROUP BY member_id, order_id
    ) s
    WHERE o.brand_id = %(brand_id)s AND o.member_id = s.member_id AND o.order_id = s.order_id
      AND o.refunded_fen + s.fen <= o.paid_fen
"""


@dataclass(frozen=True, kw_only=True)
class BackLine:
    """What goes back of one line; `quantity` 0 where only money does."""

    line_no: int
    refunded_fen: int
    quantity: int = 0


@dataclass(frozen=True, kw_only=True)
class RefundData:
    """A refund as its source reports it. (member_id, order_id) is the order's key, its own id for a walk-in's."""

    source: str
    refund_no: str
    member_id: int
    order_id: int
    refunded_at: datetime
    lines: tuple[BackLine, ...]
    reason: str = ""

    @property
    def refunded_fen(self) -> int:
        return sum(line.refunded_fen for line in self.lines)


@dataclass(frozen=True)
class Refunded:
    """`new` is False for a repeated report. `error` says why it was refused; then there is no `refund_id`."""

    refund_id: int = 0
    new: bool = False
    error: SiyuError | None = None


def record_refund(*, brand_id: int, refund: RefundData) -> Refunded:
    """Record one refund, once per (source, refund_no); emits sales.order_refunded the first time.

    Raises RefundTooMuch, RefundLineUnknown, RefundChanged for a known number with other content, and Busy for an order
    that is not where it was found: a merge of its member moves it, look again.
    """
    (done,) = record_refunds(brand_id=brand_id, refunds=[refund])
    if done.error is not None:
        raise done.error
    return done


def record_refunds(*, brand_id: int, refunds: Sequence[RefundData], import_id: int | None = None) -> list[Refunded]:
    """Record refunds in their order, each whole or not at all; what became of each. An import emits events for orders
    that were uploaded as they were paid, and none for those of its own kind: history moves nobody.

    Raises Busy as `record_refund` does.
    """
    if not refunds:
        return []
    _stage(refunds)
    told = {"brand_id": brand_id}
    orders = {row[0]: row for row in bulk.fetch(_HOLD, told)}  # first: who waited here sees what was done meanwhile
    if len(orders) < len({(refund.member_id, refund.order_id) for refund in refunds}):
        raise Busy(retry_after=0.2)  # it was moved to another member while it was waited for
    known = {place: (refund_id, digest) for place, _, refund_id, digest in bulk.fetch(_KNOWN, told)}
    left = {(order_id, line_no): fen for order_id, line_no, fen in bulk.fetch(_LINES, told)}
    done: list[Refunded] = []
    accepted: list[tuple[int, RefundData]] = []
    numbers: dict[tuple[str, str], tuple[int, bytes]] = {}
    for place, refund in enumerate(refunds):
        digest = _digest(refund)
        before = known.get(place) or numbers.get((refund.source, refund.refund_no))
        if before is not None:
            same = bytes(before[1]) == digest
            done.append(Refunded(before[0]) if same else Refunded(error=RefundChanged(refund_no=refund.refund_no)))
        elif (error := _objection(refund, left)) is not None:
            done.append(Refunded(error=error))
        else:
            for line in refund.lines:
                left[refund.order_id, line.line_no] -= line.refunded_fen
            refund_id = ids.new_id()
            numbers[refund.source, refund.refund_no] = (refund_id, digest)
            accepted.append((refund_id, refund))
            done.append(Refunded(refund_id, new=True))
    if accepted:
        _write(brand_id, accepted, import_id)
    left_fen = {order_id: row[3] for order_id, row in orders.items()}
    for refund_id, refund in accepted:
        _, member_id, walk_in, _, imported = orders[refund.order_id]
        left_fen[refund.order_id] -= refund.refunded_fen
        if import_id is None or imported is None:
            outbox.emit(
                OrderRefunded(
                    brand_id=brand_id,
                    member_id=None if walk_in else member_id,
                    order_id=refund.order_id,
                    refund_id=refund_id,
                    refunded_fen=refund.refunded_fen,
                    left_fen=left_fen[refund.order_id],
                )
            )
    return done


def _objection(refund: RefundData, left: dict[tuple[int, int], int]) -> SiyuError | None:
    asked: dict[int, int] = {}
    for line in refund.lines:
        asked[line.line_no] = asked.get(line.line_no, 0) + line.refunded_fen
    for line_no, fen in asked.items():
        if (refund.order_id, line_no) not in left:
            return RefundLineUnknown(line_no=line_no)
        if fen > left[refund.order_id, line_no]:
            return RefundTooMuch(line_no=line_no, asked_fen=fen, left_fen=left[refund.order_id, line_no])
    return None


def _stage(refunds: Sequence[RefundData]) -> None:
    bulk.stage(
        "staged_refund",
        pa.table(
            {
                "place": pa.array(range(len(refunds)), pa.int64()),
                "source": [refund.source for refund in refunds],
                "refund_no": [refund.refund_no for refund in refunds],
                "member_id": [refund.member_id for refund in refunds],
                "order_id": [refund.order_id for refund in refunds],
            }
        ),
    )


def _write(brand_id: int, accepted: Sequence[tuple[int, RefundData]], import_id: int | None) -> None:
    count, now = len(accepted), clock.now()
    brand = pa.repeat(pa.scalar(brand_id, pa.int64()), count)
    refunds = [refund for _, refund in accepted]
    heads = pa.table(
        {
            "member_id": pa.array([refund.member_id for refund in refunds], pa.int64()),
            "refund_id": pa.array([refund_id for refund_id, _ in accepted], pa.int64()),
            "order_id": pa.array([refund.order_id for refund in refunds], pa.int64()),
            "source": [refund.source for refund in refunds],
            "refund_no": [refund.refund_no for refund in refunds],
            "refunded_fen": pa.array([refund.refunded_fen for refund in refunds], pa.int64()),
        }
    )
    digests = ["\\x" + _digest(refund).hex() for refund in refunds]
    bulk.stage("staged_accepted", heads.append_column("digest", pa.array(digests)))
    if bulk.execute(_TAKE, {"brand_id": brand_id}) != count:
        raise Busy(retry_after=0.2)  # another transaction took a number meanwhile: look again
    bulk.copy(
        "refund",
        heads.append_column("brand_id", brand)
        .append_column("reason", pa.array([refund.reason for refund in refunds]))
        .append_column("refunded_at", pa.array([refund.refunded_at for refund in refunds], _MOMENT))
        .append_column("import_id", pa.array([import_id] * count, pa.int64()))
        .append_column("correlation_id", pa.repeat(context.correlation_id(), count))
        .append_column("created_at", pa.array([now] * count, _MOMENT)),
    )
    back = [
        (refund.member_id, refund_id, refund.order_id, line_no, quantity, fen)
        for refund_id, refund in accepted
        for line_no, (quantity, fen) in _by_line(refund).items()
    ]
    names = ("member_id", "refund_id", "order_id", "line_no", "quantity", "refunded_fen")
    lines = pa.table({name: pa.array([row[at] for row in back], pa.int64()) for at, name in enumerate(names)})
    bulk.copy(
        "refund_line",
        lines.drop_columns(["order_id"]).append_column(
            "brand_id", pa.repeat(pa.scalar(brand_id, pa.int64()), len(back))
        ),
    )
    bulk.stage("staged_back", lines)
    touched = bulk.execute(_LESSEN_LINES, {"brand_id": brand_id})
    orders = bulk.execute(_LESSEN_ORDERS, {"brand_id": brand_id})
    if (touched, orders) != (len({(row[2], row[3]) for row in back}), len({refund.order_id for refund in refunds})):
        raise RefundTooMuch()


def _by_line(refund: RefundData) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for line in refund.lines:
        quantity, fen = found.get(line.line_no, (0, 0))
        found[line.line_no] = (quantity + line.quantity, fen + line.refunded_fen)
    return found


def _digest(refund: RefundData) -> bytes:
    """A digest of everything a refund says of its order: equal for a repeated report."""
    told = [
        refund.order_id,
        refund.refunded_at.astimezone(UTC).isoformat(),
        sorted((line_no, *sums) for line_no, sums in _by_line(refund).items()),
    ]
    return hashlib.sha256(json.dumps(told).encode()).digest()
