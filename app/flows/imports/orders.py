"""Orders of the past with their lines: `orders` (one row an order), `order_lines` (one row a line, with the head of its
order on each or only on the first, or the lines of orders imported before).

`prepare` touches no database, so it can run beside the writing of the chunk before; `write` resolves members and hands
whole tables to sales.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.imports import wording
from app.imports.commands import Tally
from app.imports.wording import yuan
from app.sales import bulk as sales
from app.sales import queries as sales_queries

from . import buyers
from .cells import MOMENT_TYPE, Cells
from .ground import Ground

MOST_LINES = 9_999
CHANNELS = dict.fromkeys(("till", "pos", "门店", "线下"), "till") | dict.fromkeys(("mall", "商城", "线上"), "mall")
WHOLE_ORDER = "整单"
_HEAD = ("store_id", "paid_at", "channel", "guide_id", "phone", "card_no", "member")
_NAMES = {"store_id": "store", "guide_id": "guide"}
_LINE = ("line_no", "sku", "name", "category", "quantity", "unit_fen", "amount_fen", "discount_fen", "paid_fen")
_REASONS = {
    sales.LIVE: wording.ORDER_LIVE,
    sales.SPLIT: wording.ORDER_SPLIT,
    sales.REFUNDED: wording.ORDER_REFUNDED,
}


@dataclass
class Prepared:
    """A chunk's rows sorted by order. `keys`: each row's order; `heads` and `lines` of the orders nothing is wrong
    with, `heads` with what names the buyer."""

    cells: Cells
    keys: pa.Array
    heads: pa.Table
    lines: pa.Table


def prepare(ground: Ground, table: pa.Table) -> Prepared:
    """Check and group a chunk's rows."""
    cells = ground.cells(table)
    columns = _columns(ground, cells)
    names = columns["order_no"]
    if ground.by_store:
        cells.refuse(pc.is_null(columns["store_id"]), "needed", "store", wording.NEEDED)
        names = pc.binary_join_element_wise(columns["store_id"].cast(pa.string()), names, "\x1f")
    keys = pc.fill_null(pc.dictionary_encode(names).indices.cast(pa.int64()), -1)
    order = pc.sort_indices(pa.table({"key": keys}), sort_keys=[("key", "ascending")])
    rows = pa.table({**columns, "key": keys, "index": pa.array(range(cells.count), pa.int64())}).take(order)
    heads = _heads(cells, rows, whole=ground.kind == "orders", needed="paid_at" in ground.fields)
    good = _refuse_whole_orders(cells, keys)
    heads = heads.filter(pc.is_in(heads["key"], value_set=good))
    lines = _numbered(rows.filter(pc.is_in(rows["key"], value_set=good)), heads)
    return Prepared(cells, keys, _digested(ground, heads, lines), lines.select(["key", *_LINE]))


def write(ground: Ground, prepared: Prepared) -> Tally:
    """Record the orders in the open transaction."""
    cells, heads, lines = prepared.cells, prepared.heads, prepared.lines
    if "paid_at" in ground.fields:
        members = buyers.resolve(ground, heads)
        heads = heads.append_column("member_id", members)
    else:
        heads, lines = _of_known_orders(ground, prepared)
    done = sales.record_history(
        brand_id=ground.brand_id,
        import_id=ground.job_id,
        heads=heads.select([name for name in heads.column_names if name not in buyers.NAMES and name != "first"]),
        lines=lines,
        heads_only=ground.kind == "orders",
    )
    if done.refused:
        firsts = _first_rows(prepared)
        for key, code in done.refused.items():
            cells.refuse_row(firsts[key], code, "order_no", _REASONS[code])
        _refuse_whole_orders(cells, prepared.keys)
    return Tally(done.created, done.updated, done.unchanged, cells.faults)


def _columns(ground: Ground, cells: Cells) -> dict[str, pa.Array]:
    columns = {
        "order_no": cells.text("order_no"),
        "store_id": cells.known("store", "store_unknown", wording.STORE_UNKNOWN, ground.stores),
        "paid_at": cells.moment("paid_at"),
        "channel": pc.if_else(
            pc.is_null(cells.text("channel")),
            None,
            cells.choice("channel", CHANNELS, "till" if ground.source != "mall" else "mall"),
        )
        if cells.has("channel")
        else pa.nulls(cells.count, pa.string()),
        "guide_id": cells.known("guide", "guide_unknown", wording.GUIDE_UNKNOWN, ground.guide_ids),
        **{name: cells.text(name) for name in buyers.NAMES},
    }
    return columns | (_whole_orders if ground.kind == "orders" else _order_lines)(ground, cells)


def _whole_orders(ground: Ground, cells: Cells) -> dict[str, pa.Array]:
    """An order without lines is one line of its whole amount."""
    total, discount, paid = (
        cells.money(name, in_yuan=name in ground.yuan) for name in ("total_fen", "discount_fen", "paid_fen")
    )
    cells.refuse(pc.is_null(paid), "needed", "paid_fen", wording.NEEDED)
    discount = pc.coalesce(discount, pc.subtract(total, paid), pa.scalar(0, pa.int64()))
    total = pc.coalesce(total, pc.add(paid, discount))
    _check_sums(cells, total, discount, paid)
    ones = pa.repeat(pa.scalar(1, pa.int64()), cells.count)
    return {
        "line_no": ones,
        "sku": pa.repeat("-", cells.count),
        "name": pa.repeat(WHOLE_ORDER, cells.count),
        "category": pa.repeat("", cells.count),
        "quantity": ones,
        "unit_fen": total,
        "amount_fen": total,
        "discount_fen": discount,
        "paid_fen": pc.subtract(total, discount),
        "order_paid_fen": pa.nulls(cells.count, pa.int64()),
    }


def _order_lines(ground: Ground, cells: Cells) -> dict[str, pa.Array]:
    sku, name = cells.text("sku"), cells.text("name")
    quantity = cells.whole("quantity", -9999, 9999)
    cells.refuse(pc.less_equal(quantity, 0), "quantity", "quantity", wording.QUANTITY)
    cells.refuse(pc.is_null(quantity), "needed", "quantity", wording.NEEDED)
    quantity = pc.if_else(pc.greater(quantity, 0), quantity, None)
    unit, amount, discount, paid, stated = (
        cells.money(field, in_yuan=field in ground.yuan)
        for field in ("unit_fen", "amount_fen", "discount_fen", "paid_fen", "order_paid_fen")
    )
    product = pc.multiply(unit, quantity)
    for index in _where(pc.not_equal(product, amount)):
        told = _told(index, unit=unit, product=product, amount=amount)
        gap = yuan(abs(product[index].as_py() - amount[index].as_py()))
        cells.refuse_row(
            index, "amount_mismatch", "amount_fen", wording.AMOUNT_MISMATCH, quantity=quantity[index], gap=gap, **told
        )
    nothing = pa.scalar(0, pa.int64())
    amount = pc.coalesce(amount, product, pc.add(paid, pc.coalesce(discount, nothing)))
    cells.refuse(pc.is_null(amount), "needed", "amount_fen", wording.NEEDED)
    discount = pc.coalesce(discount, pc.subtract(amount, paid), nothing)
    _check_sums(cells, amount, discount, paid)
    line_no = cells.whole("line_no", 1, MOST_LINES)
    if cells.has("line_no"):
        cells.refuse(pc.is_null(line_no), "needed", "line_no", wording.NEEDED)
    return {
        "line_no": line_no,
        "sku": sku,
        "name": pc.coalesce(name, sku),
        "category": pc.fill_null(cells.text("category"), ""),
        "quantity": quantity,
        "unit_fen": pc.coalesce(unit, pc.divide(amount, pc.fill_null(quantity, 1))),
        "amount_fen": amount,
        "discount_fen": discount,
        "paid_fen": pc.subtract(amount, discount),
        "order_paid_fen": stated,
    }


def _check_sums(cells: Cells, amount: pa.Array, discount: pa.Array, paid: pa.Array) -> None:
    rest = pc.subtract(amount, discount)
    beyond = pc.or_(pc.less(discount, 0), pc.greater(discount, amount))
    for index in _where(beyond):
        told = _told(index, discount=discount, amount=amount)
        cells.refuse_row(index, "discount_range", "discount_fen", wording.DISCOUNT_RANGE, **told)
    for index in _where(pc.not_equal(rest, paid)):
        told = _told(index, amount=amount, discount=discount, rest=rest, paid=paid)
        gap = yuan(abs(rest[index].as_py() - paid[index].as_py()))
        cells.refuse_row(index, "paid_mismatch", "paid_fen", wording.PAID_MISMATCH, gap=gap, **told)


def _heads(cells: Cells, rows: pa.Table, *, whole: bool, needed: bool) -> pa.Table:
    """One row an order, by key: what all its rows that say something say, and the sums of its lines."""
    texts = {
        name: pc.dictionary_encode(rows[name].combine_chunks())
        for name in (*_HEAD, "order_no")
        if pa.types.is_string(rows[name].type)
    }
    coded: dict[str, pa.Array] = {name: column.indices for name, column in texts.items()}
    coded |= {name: rows[name].cast(pa.int64()) for name in _HEAD if name not in texts}
    sums = ("amount_fen", "discount_fen", "paid_fen")
    found = (
        pa.table(
            {
                "key": rows["key"],
                "index": rows["index"],
                "stated": rows["order_paid_fen"],
                **coded,
                **{name: rows[name] for name in sums},
            }
        )
        .group_by("key", use_threads=False)
        .aggregate(
            [
                ("index", "min"),
                ("index", "count"),
                ("stated", "min"),
                ("stated", "max"),
                *((name, "sum") for name in sums),
                *((name, how) for name in coded for how in ("min", "max")),
            ]
        )
    )
    first = found["index_min"].combine_chunks()

    def refuse(mask: Any, code: str, name: str, message: str, **told: object) -> None:
        for place in _where(mask):
            cells.refuse_row(first[place].as_py(), code, name, message, **told)

    for name in _HEAD:
        differs = pc.not_equal(found[f"{name}_min"], found[f"{name}_max"])
        refuse(differs, "head_differs", _NAMES.get(name, name), wording.HEAD_DIFFERS)
    if needed:
        for name in ("store_id", "paid_at"):
            refuse(pc.is_null(found[f"{name}_min"]), "needed", _NAMES.get(name, name), wording.NEEDED)
    if whole:
        refuse(pc.greater(found["index_count"], 1), "twice", "order_no", wording.TWICE)
    refuse(
        pc.greater(found["index_count"], MOST_LINES), "too_many_lines", "order_no", wording.TOO_MANY, most=MOST_LINES
    )
    stated, paid = found["stated_min"].combine_chunks(), found["paid_fen_sum"].combine_chunks()
    for place in _where(pc.or_(pc.not_equal(stated, paid), pc.not_equal(stated, found["stated_max"]))):
        told = {"sum": yuan(paid[place].as_py() or 0), "stated": yuan(stated[place].as_py())}
        gap = yuan(abs((paid[place].as_py() or 0) - stated[place].as_py()))
        cells.refuse_row(
            first[place].as_py(), "order_mismatch", "order_paid_fen", wording.ORDER_MISMATCH, gap=gap, **told
        )
    heads = {name: pc.take(texts[name].dictionary, found[f"{name}_min"]) for name in texts}
    heads |= {name: found[f"{name}_min"] for name in coded if name not in texts}
    heads["paid_at"] = heads["paid_at"].cast(MOMENT_TYPE)
    heads["channel"] = pc.fill_null(heads["channel"], "till")
    return pa.table(
        {
            "key": found["key"],
            "first": first,
            **heads,
            "total_fen": found["amount_fen_sum"],
            "discount_fen": found["discount_fen_sum"],
            "paid_fen": found["paid_fen_sum"],
        }
    )


def _refuse_whole_orders(cells: Cells, keys: pa.Array) -> pa.Array:
    """Refuse the other rows of orders of which a row is refused; the keys of the orders that are left."""
    refused = sorted(cells.refused())
    if not refused:
        return pc.unique(keys)
    culprit: dict[int, int] = {}
    for index in refused:
        culprit.setdefault(keys[index].as_py(), cells.numbers[index].as_py())
    culprit.pop(-1, None)
    wrong = pa.array(list(culprit), pa.int64())
    for index in _where(pc.is_in(keys, value_set=wrong)):
        cells.refuse_row(index, "order_refused", "", wording.ORDER_REFUSED, row=culprit[keys[index].as_py()])
    left = pc.unique(keys)
    return left.filter(pc.invert(pc.is_in(left, value_set=pa.array([*culprit, -1], pa.int64()))))


def _numbered(lines: pa.Table, heads: pa.Table) -> pa.Table:
    """Lines with their numbers: those of the file, or their places in the order."""
    if lines["line_no"].null_count == 0:
        return lines
    keys = lines["key"].combine_chunks()
    counts = pc.value_counts(keys)  # in order of appearance, and the rows are sorted by key
    ends = pc.cumulative_sum(counts.field("counts"))
    starts = pc.subtract(ends, counts.field("counts"))
    place = pc.take(starts, pc.index_in(keys, value_set=counts.field("values")))
    numbers = pc.add(pc.subtract(pa.array(range(len(keys)), pa.int64()), place), 1)
    return lines.set_column(lines.column_names.index("line_no"), "line_no", numbers)


def _digested(ground: Ground, heads: pa.Table, lines: pa.Table) -> pa.Table:
    """Heads with their names within the brand and a digest of all their order says."""
    source: Any = ground.source
    if ground.by_store:
        codes = {store_id: code for code, store_id in ground.stores.items()}
        source = pa.array(
            [f"{ground.source}:{codes.get(one, '')}" for one in heads["store_id"].to_pylist()], pa.string()
        )
    else:
        source = pa.repeat(ground.source, heads.num_rows)
    heads = heads.append_column("source", source)
    texts = [lines[name] if pa.types.is_string(lines[name].type) else lines[name].cast(pa.string()) for name in _LINE]
    whole = pc.binary_join_element_wise(*texts, "\x1f")
    counts = pc.value_counts(lines["key"].combine_chunks()).field("counts")
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(counts).cast(pa.int32())])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, _one(whole)), "\x1e")
    told = pc.binary_join_element_wise(
        *(
            pc.fill_null(heads[name].cast(pa.int64()).cast(pa.string()) if name != "channel" else heads[name], "")
            for name in ("store_id", "paid_at", "channel", "guide_id")
        ),
        joined,
        "\x1d",
    )
    digests = ["\\x" + hashlib.sha256(text.encode()).hexdigest() for text in told.to_pylist()]
    return heads.append_column("digest", pa.array(digests, pa.string()))


def _of_known_orders(ground: Ground, prepared: Prepared) -> tuple[pa.Table, pa.Table]:
    """Heads of orders imported before, for lines that come without; their sums must be those of the lines."""
    cells, heads = prepared.cells, prepared.heads
    known = sales_queries.heads(ground.brand_id, heads["source"].to_pylist(), heads["order_no"].to_pylist())
    firsts = heads["first"].to_pylist()
    found: dict[str, list[Any]] = {name: [] for name in ("key", "member_id", *_HEAD[:4], "total_fen", "discount_fen")}
    for place, (key, source, order_no, paid) in enumerate(
        zip(*(heads[name].to_pylist() for name in ("key", "source", "order_no", "paid_fen")), strict=True)
    ):
        row = known.get((source, order_no))
        if row is None:
            cells.refuse_row(firsts[place], "order_unknown", "order_no", wording.ORDER_UNKNOWN)
        elif row.paid_fen != paid:
            told = {"sum": yuan(paid), "stated": yuan(row.paid_fen), "gap": yuan(abs(paid - row.paid_fen))}
            cells.refuse_row(firsts[place], "lines_mismatch", "paid_fen", wording.LINES_MISMATCH, **told)
        else:
            found["key"].append(key)
            found["member_id"].append(None if row.walk_in else row.member_id)
            for name in _HEAD[:4]:
                found[name].append(getattr(row, name))
    good = _refuse_whole_orders(cells, prepared.keys)
    heads = heads.filter(pc.is_in(heads["key"], value_set=good))
    place = pc.index_in(_one(heads["key"]), value_set=pa.array(found["key"], pa.int64()))
    types = {"paid_at": MOMENT_TYPE, "channel": pa.string()}
    for name in _HEAD[:4]:
        column = pc.take(pa.array(found[name], types.get(name, pa.int64())), place)
        heads = heads.set_column(heads.column_names.index(name), name, column)
    heads = heads.append_column("member_id", pc.take(pa.array(found["member_id"], pa.int64()), place))
    lines = prepared.lines.filter(pc.is_in(prepared.lines["key"], value_set=good))
    return heads, lines


def _first_rows(prepared: Prepared) -> dict[int, int]:
    return dict(zip(*(prepared.heads[name].to_pylist() for name in ("key", "first")), strict=True))


def _where(mask: Any) -> list[int]:
    mask = pc.fill_null(mask, False)
    return pc.indices_nonzero(mask).to_pylist()


def _told(index: int, **columns: pa.Array) -> dict[str, str]:
    return {name: yuan(column[index].as_py()) for name, column in columns.items()}


def _one(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
