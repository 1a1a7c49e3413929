"""Statements about orders that must each return no row."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "order_lines_add_up": """
        SELECT o.brand_id, o.member_id, o.order_id
        FROM sales_order o
        LEFT JOIN order_line l USING (brand_id, member_id, order_id)
        GROUP BY o.brand_id, o.member_id, o.order_id, o.total_fen, o.discount_fen, o.paid_fen
        HAVING coalesce(sum(l.amount_fen), 0) <> o.total_fen
            OR coalesce(sum(l.discount_fen), 0) <> o.discount_fen
            OR coalesce(sum(l.paid_fen), 0) <> o.paid_fen
    """,
    "order_number_one_to_one": """
        SELECT coalesce(o.order_id, n.order_id)
        FROM sales_order o
        FULL JOIN order_number n
            ON n.brand_id = o.brand_id AND n.source = o.source AND n.order_no = o.order_no
            AND n.member_id = o.member_id AND n.order_id = o.order_id
        WHERE o.order_id IS NULL OR n.order_id IS NULL
    """,
}
