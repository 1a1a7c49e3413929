"""Statements about orders that must each return no row."""

from __future__ import annotations

from app.members.left_behind import none_at_merged_members, origins_were_merged

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
    "lines_have_orders": """
        SELECT brand_id, member_id, order_id
        FROM order_line
        LEFT JOIN sales_order o USING (brand_id, member_id, order_id)
        WHERE o.paid_at IS NULL
    """,
    "orders_follow_their_member": none_at_merged_members("sales_order"),
    "order_origins_were_merged": origins_were_merged("sales_order"),
    "order_number_one_to_one": """
        SELECT coalesce(o.order_id, n.order_id)
        FROM sales_order o
        FULL JOIN order_number n
            ON n.brand_id = o.brand_id AND n.source = o.source AND n.order_no = o.order_no
            AND n.member_id = o.member_id AND n.order_id = o.order_id
        WHERE o.order_id IS NULL OR n.order_id IS NULL
    """,
    "refunds_add_up": """
        SELECT o.brand_id, o.member_id, o.order_id
        FROM sales_order o
        LEFT JOIN (
            SELECT r.brand_id, r.member_id, r.order_id, sum(r.refunded_fen) AS fen
            FROM refund r GROUP BY r.brand_id, r.member_id, r.order_id
        ) r USING (brand_id, member_id, order_id)
        LEFT JOIN (
            SELECT l.brand_id, l.member_id, l.order_id, sum(l.refunded_fen) AS fen
            FROM order_line l WHERE l.refunded_fen > 0 GROUP BY l.brand_id, l.member_id, l.order_id
        ) l USING (brand_id, member_id, order_id)
        WHERE o.refunded_fen <> coalesce(r.fen, 0) OR o.refunded_fen <> coalesce(l.fen, 0)
    """,
    "refund_lines_add_up": """
        SELECT r.brand_id, r.member_id, r.refund_id
        FROM refund r
        LEFT JOIN refund_line l USING (brand_id, member_id, refund_id)
        GROUP BY r.brand_id, r.member_id, r.refund_id, r.refunded_fen
        HAVING coalesce(sum(l.refunded_fen), 0) <> r.refunded_fen
    """,
    "refunded_says_so": """
        SELECT brand_id, member_id, order_id FROM sales_order
        WHERE paid_fen > 0 AND (status = 'refunded') <> (refunded_fen = paid_fen)
    """,
    "refund_number_one_to_one": """
        SELECT coalesce(r.refund_id, n.refund_id)
        FROM refund r
        FULL JOIN refund_number n
            ON n.brand_id = r.brand_id AND n.source = r.source AND n.refund_no = r.refund_no
            AND n.member_id = r.member_id AND n.refund_id = r.refund_id
        WHERE r.refund_id IS NULL OR n.refund_id IS NULL
    """,
}
