"""Bulk imports and refunds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _id(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _count(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    for table in ("sales_order", "order_line"):
        op.add_column(table, sa.Column("refunded_fen", sa.BigInteger(), server_default="0", nullable=False))
        op.create_check_constraint(op.f(f"ck_{table}_refunded"), table, "refunded_fen BETWEEN 0 AND paid_fen")
    op.add_column("sales_order", sa.Column("import_id", sa.BigInteger()))
    op.create_table(
        "refund",
        _id("brand_id"),
        _id("member_id"),
        _id("refund_id"),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("refund_no", sa.Text(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("import_id", sa.BigInteger()),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("refunded_fen >= 0", name=op.f("ck_refund_positive")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "order_id"],
            ["sales_order.brand_id", "sales_order.member_id", "sales_order.order_id"],
            name=op.f("fk_refund_brand_id_member_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "refund_id", name=op.f("pk_refund")),
    )
    op.create_index("ix_refund_order_id", "refund", ["brand_id", "member_id", "order_id"])
    op.create_index("ix_refund_refunded_at", "refund", ["brand_id", "refunded_at"])
    op.create_index("ix_refund_correlation_id", "refund", ["correlation_id"])
    op.create_table(
        "refund_line",
        _id("brand_id"),
        _id("member_id"),
        _id("refund_id"),
        sa.Column("line_no", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("refunded_fen >= 0 AND quantity >= 0", name=op.f("ck_refund_line_positive")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "refund_id"],
            ["refund.brand_id", "refund.member_id", "refund.refund_id"],
            name=op.f("fk_refund_line_brand_id_member_id_refund_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "refund_id", "line_no", name=op.f("pk_refund_line")),
    )
    op.create_table(
        "refund_number",
        _id("brand_id"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("refund_no", sa.Text(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("refund_id", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "source", "refund_no", name=op.f("pk_refund_number")),
    )
    op.create_table(
        "import_job",
        _id("job_id"),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger()),
        sa.Column("status", sa.Text(), nullable=False),
        *(_count(name) for name in ("cursor", "read", "created", "updated", "unchanged", "refused")),
        sa.Column("options", JSONB(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text()),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('stores', 'guides', 'members', 'orders', 'order_lines', 'refunds')",
            name=op.f("ck_import_job_kind"),
        ),
        sa.CheckConstraint("format IN ('csv', 'parquet')", name=op.f("ck_import_job_format")),
        sa.CheckConstraint(
            "status IN ('uploaded', 'checking', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_import_job_status"),
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_import_job")),
    )
    op.create_index(
        "uq_import_job_open",
        "import_job",
        ["brand_id", "kind", "source", "digest"],
        unique=True,
        postgresql_where=sa.text("status IN ('uploaded', 'checking', 'running')"),
    )
    op.create_index("ix_import_job_brand_id", "import_job", ["brand_id", "job_id"])
    op.create_index("ix_import_job_correlation_id", "import_job", ["correlation_id"])
    op.create_table(
        "import_error",
        _id("job_id"),
        _id("row_no"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("values", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "row_no", "code", "field", name=op.f("pk_import_error")),
    )
    op.create_table(
        "import_chunk",
        _id("job_id"),
        _id("after"),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "after", name=op.f("pk_import_chunk")),
    )


def downgrade() -> None:
    for table in ("import_chunk", "import_error", "import_job", "refund_number", "refund_line", "refund"):
        op.drop_table(table)
    op.drop_column("sales_order", "import_id")
    for table in ("sales_order", "order_line"):
        op.drop_constraint(op.f(f"ck_{table}_refunded"), table)
        op.drop_column(table, "refunded_fen")
