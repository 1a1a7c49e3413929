"""Orders of the past, a chunk at a time: the numbers decide which are new, then lines go straight into their table.

Three statements write a chunk of any size. What an import brought it may also correct, as long as nothing was refunded;
what was uploaded live it never touches, because points were earned on it. No event is emitted and nothing is earned:
opening balances come with the members.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from app.core import bulk, clock, context, ids

LIVE, SPLIT, REFUNDED = "order_live", "order_split", "order_refunded"
_NUMBERED = ["source", "order_no", "member_id", "order_id", "digest"]  # what a number's row says

_TAKE_NUMBERS = """
    INSERT INTO order_number (brand_id, source, order_no, member_id, order_id, content_hash)
    SELECT %(brand_id)s, source, order_no, coalesce(member_id, order_id), order_id, digest::bytea
    FROM staged_order ORDER BY source, order_no
    ON CONFLICT DO NOTHING
    RETURNING order_id
"""
# OFFSET 0 keeps the planner from beginning elsewhere: each staged name is looked up by key, whatever statistics say.
_KNOWN = """
    SELECT s.key, o.order_id, o.member_id, n.content_hash = s.digest::bytea AS same_content,
           (o.store_id, o.channel, o.paid_at, o.total_fen, o.discount_fen, o.paid_fen)
               = (s.store_id, s.channel, s.paid_at, s.total_fen, s.discount_fen, s.paid_fen)
               AND o.guide_id IS NOT DISTINCT FROM s.guide_id AS same_head,
           o.walk_in AND s.member_id IS NOT NULL AS found_member,
           o.import_id, o.refunded_fen, o.walk_in, o.origin_member_id
    FROM staged_known s
    CROSS JOIN LATERAL (
        SELECT * FROM order_number
        WHERE brand_id = %(brand_id)s AND source = s.source AND order_no = s.order_no
        OFFSET 0
    ) n
    CROSS JOIN LATERAL (
        SELECT * FROM sales_order
        WHERE brand_id = n.brand_id AND member_id = n.member_id AND order_id = n.order_id
        OFFSET 0 FOR UPDATE
    ) o
"""
_REMOVE = """
    WITH gone AS (SELECT * FROM staged_replaced),
    lines AS (
        DELETE FROM order_line l USING gone g
        WHERE l.brand_id = %(brand_id)s AND l.member_id = g.old_member_id AND l.order_id = g.order_id
    ),
    renumbered AS (
        UPDATE order_number n SET member_id = g.member_id, content_hash = g.digest::bytea
        FROM gone g WHERE n.brand_id = %(brand_id)s AND n.source = g.source AND n.order_no = g.order_no
    )
    SELECT count(*) FROM gone
"""
_REMOVE_HEADS = """
    DELETE FROM sales_order o USING staged_replaced g
    WHERE o.brand_id = %(brand_id)s AND o.member_id = g.old_member_id AND o.order_id = g.order_id
"""


@dataclass
class Recorded:
    """How many orders were new, corrected, and already so; `refused`: reason by key."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def record_history(
    *, brand_id: int, import_id: int, heads: pa.Table, lines: pa.Table, heads_only: bool = False
) -> Recorded:
    """Record orders that add up, once per (source, order_no).

    `heads`: key, source, order_no, member_id (null: a walk-in), store_id, guide_id, channel, total_fen, discount_fen,
    paid_fen, paid_at, digest (`\\x` and hex). `lines`: key, line_no, sku, name, category, quantity, unit_fen,
    amount_fen, discount_fen, paid_fen. `heads_only`: the lines are made up, so equal heads are an unchanged order.
    """
    count = heads.num_rows
    if not count:
        return Recorded()
    order_ids = pa.array(ids.new_ids(count), pa.int64())
    heads = heads.append_column("order_id", order_ids)
    bulk.stage("staged_order", heads.select(_NUMBERED))
    taken = bulk.fetch(_TAKE_NUMBERS, {"brand_id": brand_id})
    done = Recorded(created=len(taken))
    if len(taken) < count:
        mine = pa.array([row[0] for row in taken], pa.int64())
        new = pc.is_in(heads["order_id"], value_set=mine)
        bulk.stage("staged_known", heads.filter(pc.invert(new)))
        heads = _with_known(done, brand_id, import_id, heads, heads.filter(new), heads_only)
        lines = lines.filter(pc.is_in(lines["key"], value_set=heads["key"]))
    _write(brand_id, import_id, heads, lines)
    return done


def _with_known(
    done: Recorded, brand_id: int, import_id: int, heads: pa.Table, fresh: pa.Table, heads_only: bool
) -> pa.Table:
    """The orders to write: the fresh ones and those that are replaced, which are taken away here."""
    replaced: dict[int, tuple[int, int, bool, int | None]] = {}
    for key, order_id, member_id, same, same_head, found_member, imported_by, refunded, walk_in, origin in bulk.fetch(
        _KNOWN, {"brand_id": brand_id}
    ):
        if imported_by == import_id:  # an earlier chunk of this file had rows of it: alike rows can be two purchases
            done.refused[key] = SPLIT
        elif (same or (heads_only and same_head)) and not found_member:
            done.unchanged += 1
        elif imported_by is None:
            done.refused[key] = LIVE
        elif refunded:
            done.refused[key] = REFUNDED
        else:
            replaced[key] = (order_id, member_id, walk_in, origin)
    fresh = fresh.append_column("origin_member_id", pa.nulls(fresh.num_rows, pa.int64()))
    if not replaced:
        return fresh
    done.updated = len(replaced)
    old = heads.filter(pc.is_in(heads["key"], value_set=pa.array(list(replaced), pa.int64())))
    kept = [replaced[key] for key in old["key"].to_pylist()]
    order_id = pa.array([one[0] for one in kept], pa.int64())
    # An order that has a member keeps it: another reading of the file does not take a purchase from somebody.
    owner = pa.array([None if walk_in else member_id for _, member_id, walk_in, _ in kept], pa.int64())
    owner = pc.coalesce(owner, old["member_id"].combine_chunks())
    old = old.set_column(old.column_names.index("order_id"), "order_id", order_id)
    old = old.set_column(old.column_names.index("member_id"), "member_id", owner)
    old = old.append_column("origin_member_id", pa.array([one[3] for one in kept], pa.int64()))
    bulk.stage(
        "staged_replaced",
        pa.table(
            {
                "order_id": order_id,
                "old_member_id": pa.array([one[1] for one in kept], pa.int64()),
                "member_id": pc.coalesce(owner, order_id),
                "source": old["source"],
                "order_no": old["order_no"],
                "digest": old["digest"],
            }
        ),
    )
    bulk.execute(_REMOVE, {"brand_id": brand_id})
    bulk.execute(_REMOVE_HEADS, {"brand_id": brand_id})
    return pa.concat_tables([fresh, old.select(fresh.column_names)])


def _write(brand_id: int, import_id: int, heads: pa.Table, lines: pa.Table) -> None:
    """COPY heads and lines, each in the order of its primary key: neighbours in an index are written together."""
    count = heads.num_rows
    owners = pc.coalesce(_one(heads["member_id"]), _one(heads["order_id"]))
    place = pc.index_in(_one(lines["key"]), value_set=_one(heads["key"]))
    by_key = {name: lines[name] for name in lines.column_names if name != "key"}
    whole_lines = pa.table(
        {
            "brand_id": pa.repeat(pa.scalar(brand_id, pa.int64()), lines.num_rows),
            "member_id": pc.take(owners, place),
            "order_id": pc.take(_one(heads["order_id"]), place),
            **by_key,
        }
    )
    now: datetime = clock.now()
    whole_heads = pa.table(
        {
            "brand_id": pa.repeat(pa.scalar(brand_id, pa.int64()), count),
            "member_id": owners,
            "walk_in": pc.is_null(heads["member_id"]),
            "status": pa.repeat("paid", count),
            "import_id": pa.repeat(pa.scalar(import_id, pa.int64()), count),
            "correlation_id": pa.repeat(context.correlation_id(), count),
            "created_at": pa.repeat(pa.scalar(now, pa.timestamp("us", "UTC")), count),
            **{name: heads[name] for name in heads.column_names if name not in ("key", "digest", "member_id")},
        }
    )
    key = [("member_id", "ascending"), ("order_id", "ascending")]
    bulk.copy("sales_order", whole_heads.sort_by(key))
    bulk.copy("order_line", whole_lines.sort_by([*key, ("line_no", "ascending")]))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
