"""Traits: one statement makes those of the members it is given, whether one member bought or all are made anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from app.core.db import session
from app.members.models import Member
from app.segments.lifecycle import ACTIVE_DAYS, LOST_DAYS, MEASURES, NEWCOMER_DAYS, SHARES
from app.segments.models import TraitCut

# Grouped and joined once for all members asked for; a stage is `lifecycle.stage` in SQL. A row that comes out as it
# was is not written. Who refuses to be profiled has no traits.
_REFRESH = text("""
WITH unwilling AS (
  SELECT member_id FROM opt_out
  WHERE brand_id = :brand_id AND member_id = ANY(:members) AND purpose = 'profiling' AND channel = 'any'
), asked AS (
  SELECT member_id, joined_at FROM member
  WHERE brand_id = :brand_id AND member_id = ANY(:members) AND status NOT IN ('merged', 'erased')
    AND member_id NOT IN (SELECT member_id FROM unwilling)
), bought AS (
  SELECT member_id, order_id, store_id, paid_fen, paid_at FROM sales_order
  WHERE brand_id = :brand_id AND member_id = ANY(:members) AND status = 'paid' AND NOT walk_in
), paid AS (
  SELECT member_id, count(*) AS orders_count, sum(paid_fen) AS paid_fen, min(paid_at) AS first_paid_at,
    max(paid_at) AS last_paid_at
  FROM bought GROUP BY member_id
), back AS (
  SELECT refund.member_id, count(*) AS refunds, sum(refunded_fen) FILTER (WHERE bought.order_id IS NOT NULL) AS fen
  FROM refund LEFT JOIN bought ON bought.member_id = refund.member_id AND bought.order_id = refund.order_id
  WHERE brand_id = :brand_id AND refund.member_id = ANY(:members) GROUP BY refund.member_id
), net AS (
  SELECT paid.*, paid_fen - coalesce(fen, 0) AS net_fen FROM paid LEFT JOIN back USING (member_id)
), last_order AS (
  SELECT DISTINCT ON (member_id) member_id, store_id FROM bought ORDER BY member_id, paid_at DESC, order_id DESC
), favourite AS (
  SELECT DISTINCT ON (member_id) member_id, category FROM (
    SELECT order_line.member_id, category, sum(order_line.paid_fen) AS fen
    FROM bought JOIN order_line ON order_line.brand_id = :brand_id AND order_line.member_id = bought.member_id
      AND order_line.order_id = bought.order_id
    WHERE category <> '' GROUP BY order_line.member_id, category
  ) AS by_category ORDER BY member_id, fen DESC, category
), gone AS (
  DELETE FROM member_trait USING member
  WHERE member_trait.brand_id = :brand_id AND member_trait.member_id = ANY(:members)
    AND member.brand_id = member_trait.brand_id AND member.member_id = member_trait.member_id
    AND (member.status IN ('merged', 'erased') OR member.member_id IN (SELECT member_id FROM unwilling))
)
INSERT INTO member_trait AS old (brand_id, member_id, orders_count, net_paid_fen, avg_fen, refunds, first_paid_at,
  last_paid_at, last_store_id, favourite_category, recency, frequency, monetary, lifecycle, refreshed_at)
SELECT :brand_id, asked.member_id, coalesce(orders_count, 0), coalesce(net_fen, 0),
  coalesce(net_fen / orders_count, 0), coalesce(refunds, 0), first_paid_at, last_paid_at, last_order.store_id,
  favourite.category,
  1 + width_bucket(floor(extract(epoch FROM last_paid_at))::bigint - 1, CAST(:recency AS bigint[])),
  1 + width_bucket(orders_count - 1, CAST(:frequency AS bigint[])),
  1 + width_bucket(net_fen::bigint - 1, CAST(:monetary AS bigint[])),
  CASE WHEN orders_count IS NULL THEN CASE WHEN joined_at > :newcomer THEN 'newcomer' ELSE 'prospect' END
    WHEN last_paid_at <= :lost THEN 'lost' WHEN last_paid_at <= :dormant THEN 'dormant'
    WHEN orders_count > 1 THEN 'active' ELSE 'first' END,
  :as_of
FROM asked LEFT JOIN net USING (member_id) LEFT JOIN back USING (member_id)
  LEFT JOIN last_order USING (member_id) LEFT JOIN favourite USING (member_id)
ON CONFLICT (brand_id, member_id) DO UPDATE SET (orders_count, net_paid_fen, avg_fen, refunds, first_paid_at,
  last_paid_at, last_store_id, favourite_category, recency, frequency, monetary, lifecycle, refreshed_at) =
  (excluded.orders_count, excluded.net_paid_fen, excluded.avg_fen, excluded.refunds, excluded.first_paid_at,
  excluded.last_paid_at, excluded.last_store_id, excluded.favourite_category, excluded.recency, excluded.frequency,
  excluded.monetary, excluded.lifecycle, excluded.refreshed_at)
WHERE (old.orders_count, old.net_paid_fen, old.refunds, old.first_paid_at, old.last_paid_at, old.last_store_id,
  old.favourite_category, old.recency, old.frequency, old.monetary, old.lifecycle)
  IS DISTINCT FROM (excluded.orders_count, excluded.net_paid_fen, excluded.refunds, excluded.first_paid_at,
  excluded.last_paid_at, excluded.last_store_id, excluded.favourite_category, excluded.recency, excluded.frequency,
  excluded.monetary, excluded.lifecycle)
""")

# Locks the members' rows, made where there are none, before anybody looks at orders: who waits for another's traits
# then sees the orders that the other saw, and never writes what it saw before over what came out since.
_HOLD = text("""
INSERT INTO member_trait AS held (brand_id, member_id, orders_count, net_paid_fen, avg_fen, refunds, lifecycle,
  refreshed_at)
SELECT brand_id, member_id, 0, 0, 0, 0, 'prospect', :as_of FROM member
WHERE brand_id = :brand_id AND member_id = ANY(:members) ORDER BY member_id
ON CONFLICT (brand_id, member_id) DO UPDATE SET refreshed_at = held.refreshed_at WHERE false
""")

_PRESENT_CUTS = text("SELECT measure, cuts FROM trait_cut WHERE brand_id = :brand_id")
_CUTS = text("""
SELECT percentile_disc(CAST(:shares AS float8[]))
    WITHIN GROUP (ORDER BY floor(extract(epoch FROM last_paid_at))::bigint) AS recency,
  percentile_disc(CAST(:shares AS float8[])) WITHIN GROUP (ORDER BY orders_count) AS frequency,
  percentile_disc(CAST(:shares AS float8[])) WITHIN GROUP (ORDER BY net_paid_fen) AS monetary
FROM member_trait WHERE brand_id = :brand_id AND orders_count > 0
""")


def refresh_traits(*, brand_id: int, member_ids: Sequence[int], as_of: datetime) -> None:
    """Make the traits of these members from their orders, with the brand's cut points as they stand."""
    if not member_ids:
        return
    asked = {"brand_id": brand_id, "members": sorted(set(member_ids)), "as_of": as_of}
    session.execute(_HOLD, asked)
    cuts: dict[str, Any] = dict.fromkeys(MEASURES)
    rows = session.execute(_PRESENT_CUTS, {"brand_id": brand_id})
    cuts.update((row.measure, row.cuts) for row in rows)
    session.execute(
        _REFRESH,
        {
            **cuts,
            **asked,
            "newcomer": as_of - timedelta(days=NEWCOMER_DAYS),
            "dormant": as_of - timedelta(days=ACTIVE_DAYS),
            "lost": as_of - timedelta(days=LOST_DAYS),
        },
    )


def rebuild_traits(*, brand_id: int, after: int, limit: int, as_of: datetime) -> int | None:
    """Make the traits of the next members by id; returns where the next chunk starts, None after the last one."""
    chunk = session.scalars(
        select(Member.member_id)
        .where(Member.brand_id == brand_id, Member.member_id > after)
        .order_by(Member.member_id)
        .limit(limit)
    ).all()
    refresh_traits(brand_id=brand_id, member_ids=chunk, as_of=as_of)
    return chunk[-1] if len(chunk) == limit else None


def renew_cuts(*, brand_id: int, as_of: datetime) -> None:
    """Divide the brand's buyers into fifths anew, from their traits; scores follow when traits are made again."""
    found = session.execute(_CUTS, {"brand_id": brand_id, "shares": list(SHARES)}).one()._mapping
    if found["frequency"] is None:  # nobody has bought yet
        return
    rows = [
        {"brand_id": brand_id, "measure": measure, "cuts": [int(cut) for cut in found[measure]], "as_of": as_of}
        for measure in MEASURES
    ]
    statement = insert(TraitCut).values(rows)
    fresh = {"cuts": statement.excluded.cuts, "as_of": statement.excluded.as_of}
    session.execute(statement.on_conflict_do_update(index_elements=["brand_id", "measure"], set_=fresh))
