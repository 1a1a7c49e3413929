"""Closed months of coupon statements, what looks like fraud, indexes of the coupon report."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0026"
branch_labels = None
depends_on = None

_FEN = ("discount_fen", "hq_fen", "dealer_fen", "supplier_fen")
_ADDS_UP = "hq_fen + dealer_fen + supplier_fen = discount_fen"


def _id(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _fen() -> list[sa.Column]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in _FEN]


def _indexes() -> None:
    op.create_index(
        "ix_redemption_returned_at",
        "redemption",
        ["brand_id", "returned_at"],
        postgresql_where=sa.text("returned_at IS NOT NULL"),
    )
    op.create_index(
        "ix_coupon_event_ended",
        "coupon_event",
        ["brand_id", "at"],
        postgresql_where=sa.text("to_status IN ('expired', 'voided')"),
    )


def _statements() -> None:
    op.create_table(
        "coupon_month",
        _id("brand_id"),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        *_fen(),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('asked', 'closed')", name=op.f("ck_coupon_month_status")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_coupon_month_month")),
        sa.CheckConstraint("(status = 'closed') = (closed_by IS NOT NULL)", name=op.f("ck_coupon_month_closed_by")),
        sa.CheckConstraint("(closed_by IS NULL) = (closed_at IS NULL)", name=op.f("ck_coupon_month_closed_at")),
        sa.CheckConstraint("closed_by <> asked_by", name=op.f("ck_coupon_month_second_person")),
        sa.CheckConstraint(_ADDS_UP, name=op.f("ck_coupon_month_adds_up")),
        sa.PrimaryKeyConstraint("brand_id", "month", name=op.f("pk_coupon_month")),
    )
    op.create_index("ix_coupon_month_correlation_id", "coupon_month", ["correlation_id"])
    op.create_table(
        "coupon_statement",
        _id("brand_id"),
        _id("store_id"),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        *_fen(),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.CheckConstraint(_ADDS_UP, name=op.f("ck_coupon_statement_adds_up")),
        sa.ForeignKeyConstraint(
            ["brand_id", "month"],
            ["coupon_month.brand_id", "coupon_month.month"],
            name=op.f("fk_coupon_statement_brand_id_month"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "store_id", "month", name=op.f("pk_coupon_statement")),
    )
    op.create_table(
        "coupon_statement_line",
        _id("brand_id"),
        _id("store_id"),
        _id("redemption_id"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=True),
        *_fen(),
        sa.CheckConstraint("kind IN ('redeemed', 'refunded', 'returned')", name=op.f("ck_coupon_statement_line_kind")),
        sa.CheckConstraint(_ADDS_UP, name=op.f("ck_coupon_statement_line_adds_up")),
        sa.ForeignKeyConstraint(
            ["brand_id", "month"],
            ["coupon_month.brand_id", "coupon_month.month"],
            name=op.f("fk_coupon_statement_line_brand_id_month"),
        ),
        sa.PrimaryKeyConstraint(
            "brand_id", "store_id", "redemption_id", "kind", "part", name=op.f("pk_coupon_statement_line")
        ),
    )
    op.create_index("ix_coupon_statement_line_month", "coupon_statement_line", ["brand_id", "month", "store_id", "at"])
    for table in ("coupon_statement", "coupon_statement_line"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _fraud() -> None:
    op.create_table(
        "coupon_fraud_rule",
        _id("brand_id"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("window_seconds", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("threshold >= 1", name=op.f("ck_coupon_fraud_rule_threshold")),
        sa.CheckConstraint("window_seconds BETWEEN 60 AND 604800", name=op.f("ck_coupon_fraud_rule_window_seconds")),
        sa.PrimaryKeyConstraint("brand_id", "kind", name=op.f("pk_coupon_fraud_rule")),
    )
    op.create_index("ix_coupon_fraud_rule_correlation_id", "coupon_fraud_rule", ["correlation_id"])
    op.create_table(
        "coupon_watch",
        _id("brand_id"),
        sa.Column("looked_to", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", name=op.f("pk_coupon_watch")),
    )
    op.create_table(
        "coupon_flag",
        _id("brand_id"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("flag_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("guide_id", sa.BigInteger(), nullable=True),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'cleared', 'confirmed')", name=op.f("ck_coupon_flag_status")),
        sa.CheckConstraint("count >= 1", name=op.f("ck_coupon_flag_count")),
        sa.CheckConstraint(
            "(status = 'open') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (decided_by IS NULL) = (words IS NULL)",
            name=op.f("ck_coupon_flag_decided"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "subject", "rule", "window_from", name=op.f("pk_coupon_flag")),
    )
    op.create_index("ix_coupon_flag_flag_id", "coupon_flag", ["brand_id", "flag_id"])
    op.create_index("ix_coupon_flag_status", "coupon_flag", ["brand_id", "status", "flag_id"])
    op.create_index(
        "ix_coupon_flag_member_id",
        "coupon_flag",
        ["brand_id", "member_id"],
        postgresql_where=sa.text("member_id IS NOT NULL"),
    )
    op.create_index("ix_coupon_flag_correlation_id", "coupon_flag", ["correlation_id"])
    op.create_table(
        "guide_phone",
        _id("brand_id"),
        sa.Column("phone_index", sa.Text(), nullable=False),
        sa.Column("guide_id", sa.BigInteger(), nullable=False),
        sa.Column("phone_tail", sa.Text(), nullable=False),
        sa.Column("told_by", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["guide_id"], ["guide.id"], name=op.f("fk_guide_phone_guide_id")),
        sa.PrimaryKeyConstraint("brand_id", "phone_index", name=op.f("pk_guide_phone")),
    )
    op.create_index("ix_guide_phone_correlation_id", "guide_phone", ["correlation_id"])


def upgrade() -> None:
    _indexes()
    _statements()
    _fraud()


def downgrade() -> None:
    for table in (
        "guide_phone", "coupon_flag", "coupon_watch", "coupon_fraud_rule",
        "coupon_statement_line", "coupon_statement", "coupon_month",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_index("ix_coupon_event_ended", "coupon_event")
    op.drop_index("ix_redemption_returned_at", "redemption")
