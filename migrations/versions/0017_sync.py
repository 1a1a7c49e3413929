"""Runs of the reconciliation with WeCom."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sync_run",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("moved_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("outbox_id", sa.BigInteger(), nullable=True),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('full', 'incremental')", name=op.f("ck_sync_run_kind")),
        sa.CheckConstraint(
            "status IN ('running', 'waiting', 'done', 'failed', 'cancelled')", name=op.f("ck_sync_run_status")
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_sync_run")),
    )
    op.create_index(
        "uq_sync_run_going",
        "sync_run",
        ["corp_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('running', 'waiting')"),
    )
    op.create_index("ix_sync_run_brand_id", "sync_run", ["brand_id", "run_id"])
    op.create_index("ix_sync_run_corp_id", "sync_run", ["corp_id", "kind", "started_at"])

    op.create_table(
        "sync_item",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('due', 'verify', 'done', 'skipped')", name=op.f("ck_sync_item_status")),
        sa.PrimaryKeyConstraint("run_id", "step", "subject", name=op.f("pk_sync_item")),
    )
    op.create_index(
        "ix_sync_item_due",
        "sync_item",
        ["run_id", "step", "subject"],
        postgresql_where=sa.text("status IN ('due', 'verify')"),
    )

    op.create_table(
        "sync_seen",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "list", "key", name=op.f("pk_sync_seen")),
    )

    op.create_table(
        "sync_drift",
        sa.Column("drift_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("ours", postgresql.JSONB(), nullable=False),
        sa.Column("theirs", postgresql.JSONB(), nullable=False),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.CheckConstraint("change IN ('added', 'changed', 'lost')", name=op.f("ck_sync_drift_change")),
        sa.PrimaryKeyConstraint("drift_id", name=op.f("pk_sync_drift")),
    )
    op.create_index("uq_sync_drift_subject", "sync_drift", ["run_id", "kind", "subject"], unique=True)
    op.create_index(
        "ix_sync_drift_lost", "sync_drift", ["run_id", "drift_id"], postgresql_where=sa.text("NOT repaired")
    )

    op.create_table(
        "sync_conversion",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("pending_id", sa.Text(), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('user', 'customer')", name=op.f("ck_sync_conversion_kind")),
        sa.CheckConstraint(
            "outcome IN ('customer', 'pending', 'nobody', 'refused')", name=op.f("ck_sync_conversion_outcome")
        ),
        sa.PrimaryKeyConstraint("corp_id", "kind", "subject", name=op.f("pk_sync_conversion")),
    )
    op.create_index("ix_sync_conversion_next_at", "sync_conversion", ["corp_id", "kind", "next_at"])


def downgrade() -> None:
    for table in ("sync_conversion", "sync_drift", "sync_seen", "sync_item", "sync_run"):
        op.drop_table(table)
