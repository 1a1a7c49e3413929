"""Slips of the cash desk of stores without an integrated till."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_REASONS = "undo_reason IN ('order_cancelled', 'wrong_amount', 'wrong_coupon', 'other_offer', 'fault')"
_UNDONE = "(undone_at IS NULL) = (undo_reason IS NULL) AND (undone_at IS NULL) = (undone_by IS NULL)"


def upgrade() -> None:
    op.create_table(
        "desk_slip",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("store_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slip_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("admin_id", sa.BigInteger(), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.Column("undone_by", sa.BigInteger()),
        sa.Column("undo_reason", sa.Text()),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "store_id", "slip_id", name=op.f("pk_desk_slip")),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("ck_desk_slip_amount_fen")),
        sa.CheckConstraint(_REASONS, name=op.f("ck_desk_slip_undo_reason")),
        sa.CheckConstraint(_UNDONE, name=op.f("ck_desk_slip_undone")),
    )
    op.create_index("ix_desk_slip_store_id_created_at", "desk_slip", ["brand_id", "store_id", "created_at"])
    op.create_index("ix_desk_slip_correlation_id", "desk_slip", ["correlation_id"])


def downgrade() -> None:
    op.drop_table("desk_slip")
