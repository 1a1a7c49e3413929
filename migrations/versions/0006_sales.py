"""Tables of sales."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sales_order",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("guide_id", sa.BigInteger()),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("walk_in", sa.Boolean(), nullable=False),
        sa.Column("total_fen", sa.BigInteger(), nullable=False),
        sa.Column("discount_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "total_fen >= 0 AND discount_fen >= 0 AND paid_fen = total_fen - discount_fen",
            name=op.f("ck_sales_order_adds_up"),
        ),
        sa.CheckConstraint("paid_fen >= 0", name=op.f("ck_sales_order_paid")),
        sa.CheckConstraint("channel IN ('till', 'mall')", name=op.f("ck_sales_order_channel")),
        sa.CheckConstraint("status IN ('paid', 'refunded')", name=op.f("ck_sales_order_status")),
        sa.CheckConstraint("walk_in = (member_id = order_id)", name=op.f("ck_sales_order_walk_in")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "order_id", name=op.f("pk_sales_order")),
    )
    op.create_index("ix_sales_order_member_paid_at", "sales_order", ["brand_id", "member_id", "paid_at"])
    op.create_index("ix_sales_order_paid_at", "sales_order", ["brand_id", "paid_at"])
    op.create_index("ix_sales_order_correlation_id", "sales_order", ["correlation_id"])
    op.create_table(
        "order_line",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line_no", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_fen", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("discount_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_line_quantity")),
        sa.CheckConstraint(
            "paid_fen = amount_fen - discount_fen AND discount_fen >= 0 AND paid_fen >= 0",
            name=op.f("ck_order_line_adds_up"),
        ),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "order_id"],
            ["sales_order.brand_id", "sales_order.member_id", "sales_order.order_id"],
            name=op.f("fk_order_line_brand_id_member_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "order_id", "line_no", name=op.f("pk_order_line")),
    )
    op.create_table(
        "order_number",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "source", "order_no", name=op.f("pk_order_number")),
    )


def downgrade() -> None:
    op.drop_table("order_number")
    op.drop_table("order_line")
    op.drop_table("sales_order")
