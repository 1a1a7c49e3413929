"""What must always be true of closed months: each statement returns the rows that break its rule."""

from __future__ import annotations

from .commands import BY_STORE
from .facts import FACTS
from .queries import LATE

_SAME = "(a.lines, a.discount_fen, a.hq_fen, a.dealer_fen, a.supplier_fen)"
_OF_MONTH = "SELECT * FROM coupon_statement_line WHERE brand_id = m.brand_id AND month = m.month"

INVARIANTS: dict[str, str] = {
    "closed_lines_are_their_totals": f"""
        SELECT m.brand_id, m.month, coalesce(s.store_id, l.store_id) AS store_id, s.discount_fen,
               l.discount_fen AS of_lines
        FROM coupon_month m
        CROSS JOIN LATERAL (
          {BY_STORE.format(lines=_OF_MONTH)}
        ) l
        FULL JOIN coupon_statement s ON s.brand_id = m.brand_id AND s.month = m.month AND s.store_id = l.store_id
        WHERE s.store_id IS NULL OR l.store_id IS NULL OR m.status <> 'closed'
           OR {_SAME.replace("a.", "s.")} <> {_SAME.replace("a.", "l.")} OR s.digest <> l.digest
    """,
    "closed_months_are_their_stores": """
        SELECT m.brand_id, m.month, m.discount_fen, s.discount_fen AS of_stores
        FROM coupon_month m
        LEFT JOIN (SELECT brand_id, month, sum(lines) AS lines, sum(discount_fen) AS discount_fen,
                          sum(hq_fen) AS hq_fen, sum(dealer_fen) AS dealer_fen, sum(supplier_fen) AS supplier_fen,
                          string_agg(store_id || ':' || digest, ',' ORDER BY store_id) AS digests
                   FROM coupon_statement GROUP BY 1, 2) s USING (brand_id, month)
        WHERE m.status = 'closed'
          AND ((m.lines, m.discount_fen, m.hq_fen, m.dealer_fen, m.supplier_fen)
               <> (coalesce(s.lines, 0), coalesce(s.discount_fen, 0), coalesce(s.hq_fen, 0),
                   coalesce(s.dealer_fen, 0), coalesce(s.supplier_fen, 0))
               OR m.digest <> encode(sha256(convert_to(coalesce(s.digests, ''), 'UTF8')), 'hex'))
    """,
    "closed_lines_are_facts": f"""
        SELECT l.brand_id, l.store_id, l.redemption_id, l.kind, l.part
        FROM coupon_statement_line l LEFT JOIN ({FACTS}) f
          ON f.brand_id = l.brand_id AND f.store_id = l.store_id AND f.redemption_id = l.redemption_id
             AND f.kind = l.kind AND f.part = l.part
        WHERE f.redemption_id IS NULL OR (f.discount_fen, f.hq_fen, f.dealer_fen, f.supplier_fen)
                                      <> (l.discount_fen, l.hq_fen, l.dealer_fen, l.supplier_fen)
    """,
    # Late lines of a closed month's time belong to the next open month; what is older than that looks back is in none.
    "no_fact_is_too_late_for_the_books": f"""
        SELECT f.brand_id, f.store_id, f.redemption_id, f.kind, f.part, f.at
        FROM (SELECT brand_id, max(month) AS month FROM coupon_month WHERE status = 'closed' GROUP BY brand_id) m
        JOIN ({FACTS}) f ON f.brand_id = m.brand_id AND f.discount_fen <> 0
         AND f.at < m.month + interval '1 month' - interval '{LATE.days} days'
        WHERE NOT EXISTS (SELECT FROM coupon_statement_line l
                          WHERE l.brand_id = f.brand_id AND l.store_id = f.store_id
                            AND l.redemption_id = f.redemption_id AND l.kind = f.kind AND l.part = f.part)
    """,
    "months_close_in_order": """
        SELECT m.brand_id, m.month FROM coupon_month m
        WHERE m.status = 'closed'
          AND EXISTS (SELECT FROM coupon_month e
                      WHERE e.brand_id = m.brand_id AND e.month < m.month AND e.status = 'closed')
          AND NOT EXISTS (SELECT FROM coupon_month b
                          WHERE b.brand_id = m.brand_id AND b.month = (m.month - interval '1 month')::date
                            AND b.status = 'closed')
    """,
}
