"""A store's tills and its desk number orders together; a coupon is held for an order of a store, not for a number."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


# Both have had coupons on an order of this number, which were no concern of each other's: they stay apart by name.
_APART = """
    UPDATE redemption r SET stack_group = r.source || ':' || r.stack_group
    FROM order_discount desk
    JOIN order_discount till ON till.brand_id = desk.brand_id AND till.order_no = desk.order_no
     AND till.store_id = desk.store_id AND till.source = 'till'
    WHERE desk.source = 'desk' AND r.brand_id = desk.brand_id AND r.order_no = desk.order_no
      AND r.store_id = desk.store_id AND r.source IN ('till', 'desk') AND r.returned_at IS NULL
"""
_APART_ON_ORDER = """
    UPDATE order_discount o
    SET groups = ARRAY(SELECT o.source || ':' || g FROM unnest(o.groups) WITH ORDINALITY x (g, n) ORDER BY n)
    FROM order_discount other
    WHERE other.brand_id = o.brand_id AND other.order_no = o.order_no AND other.store_id = o.store_id
      AND (o.source, other.source) IN (('till', 'desk'), ('desk', 'till'))
"""


def upgrade() -> None:
    op.execute(_APART)
    op.execute(_APART_ON_ORDER)
    op.execute("""
        INSERT INTO order_discount AS o (brand_id, order_no, source, store_id, total_fen, discount_fen, groups)
        SELECT brand_id, order_no, 'till', store_id, total_fen, discount_fen, groups
        FROM order_discount WHERE source = 'desk'
        ON CONFLICT (brand_id, order_no, source, store_id) DO UPDATE
        SET total_fen = greatest(o.total_fen, excluded.total_fen, o.discount_fen + excluded.discount_fen),
            discount_fen = o.discount_fen + excluded.discount_fen, groups = o.groups || excluded.groups
    """)
    op.execute("DELETE FROM order_discount WHERE source = 'desk'")
    _end_holds()


def downgrade() -> None:
    op.execute("""
        INSERT INTO order_discount (brand_id, order_no, source, store_id, total_fen, discount_fen, groups)
        SELECT r.brand_id, r.order_no, 'desk', r.store_id, o.total_fen, sum(r.discount_fen - r.refunded_fen),
               array_agg(r.stack_group ORDER BY r.redemption_id)
        FROM redemption r
        JOIN order_discount o ON o.brand_id = r.brand_id AND o.order_no = r.order_no AND o.store_id = r.store_id
         AND o.source = 'till'
        WHERE r.source = 'desk' AND r.returned_at IS NULL
        GROUP BY r.brand_id, r.order_no, r.store_id, o.total_fen
    """)
    op.execute("""
        UPDATE order_discount o SET discount_fen = t.fen, groups = t.groups
        FROM (
            SELECT d.brand_id, d.order_no, d.store_id, coalesce(sum(r.discount_fen - r.refunded_fen), 0) AS fen,
                   coalesce(array_agg(r.stack_group ORDER BY r.redemption_id) FILTER (WHERE r.redemption_id > 0), '{}')
                     AS groups
            FROM order_discount d
            LEFT JOIN redemption r ON r.brand_id = d.brand_id AND r.order_no = d.order_no AND r.store_id = d.store_id
             AND r.source = 'till' AND r.returned_at IS NULL
            WHERE d.source = 'desk' GROUP BY 1, 2, 3
        ) t
        WHERE o.source = 'till' AND o.brand_id = t.brand_id AND o.order_no = t.order_no AND o.store_id = t.store_id
    """)
    _end_holds()


def _end_holds() -> None:
    """Those under way are named the other way: whoever wants the coupon takes it again, the order of the hold too."""
    op.execute("""
        UPDATE coupon SET locked_until = least(locked_until, now())
        WHERE status = 'locked' AND locked_order NOT LIKE 'cgt\\_%'
    """)
