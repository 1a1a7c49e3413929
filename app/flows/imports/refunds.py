"""Refunds of the past: one row a line that went back, or one row a refund of what is left of the whole order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.imports import wording
from app.imports.commands import Tally
from app.imports.wording import yuan
from app.sales import queries as sales_queries
from app.sales import refunds as sales
from app.sales.errors import RefundChanged, RefundTooMuch
from app.sales.refunds import BackLine, RefundData

from .cells import Cells
from .ground import Ground


@dataclass
class Prepared:
    """Rows that nothing is wrong with, by (source, refund number)."""

    cells: Cells
    refunds: dict[tuple[str, str], list[dict[str, Any]]]


def prepare(ground: Ground, table: pa.Table) -> Prepared:
    """Check and group a chunk's rows; touches no database."""
    cells = ground.cells(table)
    columns = {
        "refund_no": cells.text("refund_no"),
        "order_no": cells.text("order_no"),
        "store": cells.text("store", required=ground.by_store),
        "store_id": cells.known("store", "store_unknown", wording.STORE_UNKNOWN, ground.stores),
        "refunded_at": cells.moment("refunded_at"),
        "line_no": cells.whole("line_no", 1, 9_999),
        "amount_fen": cells.money("amount_fen", in_yuan="amount_fen" in ground.yuan),
        "quantity": cells.whole("quantity", 0, 9_999),
        "reason": cells.text("reason"),
    }
    cells.refuse(pc.is_null(columns["amount_fen"]), "needed", "amount_fen", wording.NEEDED)
    rows = pa.table({**columns, "index": pa.array(range(cells.count), pa.int64())}).to_pylist()
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["refund_no"] is not None:
            source = f"{ground.source}:{row['store']}" if ground.by_store else ground.source
            grouped.setdefault((source, row["refund_no"]), []).append(row)
    kept = {}
    for name, group in grouped.items():
        for fact in ("order_no", "refunded_at"):
            if len({row[fact] for row in group}) > 1:
                cells.refuse_row(group[0]["index"], "head_differs", fact, wording.HEAD_DIFFERS)
        if not _refused(cells, group):
            kept[name] = group
    return Prepared(cells, kept)


def write(ground: Ground, prepared: Prepared) -> Tally:
    """Record the refunds in the open transaction, each whole or not at all."""
    cells = prepared.cells
    names = [(source, group[0]["order_no"]) for (source, _), group in prepared.refunds.items()]
    orders = sales_queries.heads(ground.brand_id, [source for source, _ in names], [order for _, order in names])
    known_lines = sales_queries.lines_of(ground.brand_id, list(orders.values()))
    refunds: list[RefundData] = []
    groups: list[list[dict[str, Any]]] = []
    for (source, refund_no), group in prepared.refunds.items():
        order = orders.get((source, group[0]["order_no"]))
        if order is None:
            cells.refuse_row(group[0]["index"], "order_unknown", "order_no", wording.ORDER_UNKNOWN)
            _refused(cells, group)
            continue
        lines = _lines(cells, group, known_lines[order.order_id])
        if _refused(cells, group):
            continue
        groups.append(group)
        refunds.append(
            RefundData(
                source=source,
                refund_no=refund_no,
                member_id=order.member_id,
                order_id=order.order_id,
                refunded_at=group[0]["refunded_at"],
                lines=lines,
                reason=next((row["reason"] for row in group if row["reason"]), ""),
            )
        )
    done = sales.record_refunds(brand_id=ground.brand_id, refunds=refunds, import_id=ground.job_id)
    tally = Tally(faults=cells.faults)
    for group, one in zip(groups, done, strict=True):
        if one.error is None:
            tally.created += one.new
            tally.unchanged += not one.new
            continue
        _say(cells, group, one.error)
        _refused(cells, group)
    return tally


def _say(cells: Cells, group: Sequence[dict[str, Any]], error: Any) -> None:
    line_no = error.data.get("line_no")
    index = next((row["index"] for row in group if row["line_no"] == line_no), group[0]["index"])
    if isinstance(error, RefundChanged):
        cells.refuse_row(index, error.code, "refund_no", wording.REFUND_CHANGED)
    elif isinstance(error, RefundTooMuch):
        asked, left = yuan(error.data["asked_fen"]), yuan(error.data["left_fen"])
        cells.refuse_row(index, error.code, "amount_fen", wording.REFUND_TOO_MUCH, asked=asked, left=left)
    else:
        cells.refuse_row(index, error.code, "line_no", wording.REFUND_LINE_UNKNOWN)


def _lines(cells: Cells, group: Sequence[dict[str, Any]], lines: Sequence[tuple[int, int]]) -> tuple[BackLine, ...]:
    """The lines that go back. Without line numbers: the only line, or all that was paid for the whole order."""
    if all(row["line_no"] is not None for row in group):
        return tuple(
            BackLine(line_no=row["line_no"], refunded_fen=row["amount_fen"], quantity=row["quantity"] or 0)
            for row in group
        )
    if len(group) == 1 and len(lines) == 1:
        row = group[0]
        return (BackLine(line_no=lines[0][0], refunded_fen=row["amount_fen"], quantity=row["quantity"] or 0),)
    if len(group) == 1 and group[0]["amount_fen"] == sum(paid for _, paid in lines):
        return tuple(BackLine(line_no=line_no, refunded_fen=paid) for line_no, paid in lines)
    cells.refuse_row(group[0]["index"], "line_needed", "line_no", wording.REFUND_LINE_NEEDED)
    return ()


def _refused(cells: Cells, group: Sequence[dict[str, Any]]) -> bool:
    """Whether a row of a refund is refused; then the others are as well."""
    culprit = next((row["index"] for row in group if row["index"] in cells.refused()), None)
    if culprit is None:
        return False
    for row in group:
        cells.refuse_row(row["index"], "refund_refused", "", wording.REFUND_REFUSED, row=cells.numbers[culprit].as_py())
    return True
