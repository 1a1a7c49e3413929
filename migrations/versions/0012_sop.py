"""Tables of sop."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sop",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'active', 'paused')", name=op.f("ck_sop_status")),
        sa.PrimaryKeyConstraint("brand_id", "sop_id", name=op.f("pk_sop")),
        sa.UniqueConstraint("brand_id", "code", name=op.f("uq_sop_brand_id_code")),
    )
    op.create_table(
        "sop_version",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trigger", JSONB(), nullable=False),
        sa.Column("assignment", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "sop_id", "version", name=op.f("pk_sop_version")),
    )
    op.create_table(
        "sop_step",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sop_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("step_no", sa.BigInteger(), nullable=False),
        sa.Column("day_offset", sa.BigInteger(), nullable=False),
        sa.Column("local_time", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("material_id", sa.BigInteger(), nullable=True),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("deadline_hours", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("action IN ('message', 'call', 'invite')", name=op.f("ck_sop_step_action")),
        sa.CheckConstraint("day_offset >= 0 AND deadline_hours > 0", name=op.f("ck_sop_step_times")),
        sa.PrimaryKeyConstraint("brand_id", "step_id", name=op.f("pk_sop_step")),
        sa.UniqueConstraint(
            "brand_id", "sop_id", "version", "step_no", name=op.f("uq_sop_step_brand_id_sop_id_version_step_no")
        ),
    )
    op.create_table(
        "sop_run",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("segment_id", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("audience", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('running', 'done')", name=op.f("ck_sop_run_status")),
        sa.PrimaryKeyConstraint("brand_id", "sop_id", "period", name=op.f("pk_sop_run")),
    )
    op.create_index(op.f("ix_sop_run_running"), "sop_run", ["brand_id"], postgresql_where=sa.text("status = 'running'"))
    op.create_table(
        "guide_task",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("sop_id", sa.BigInteger(), nullable=False),
        sa.Column("guide_id", sa.BigInteger(), nullable=True),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence", JSONB(), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("ladder", sa.SmallInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('open', 'done', 'expired', 'cancelled')", name=op.f("ck_guide_task_status")),
        sa.CheckConstraint("(status = 'done') = (done_at IS NOT NULL)", name=op.f("ck_guide_task_done_at")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "step_id", "period", name=op.f("pk_guide_task")),
    )
    op.create_index(op.f("ix_guide_task_task_id"), "guide_task", ["task_id"])
    op.create_index(op.f("ix_guide_task_guide"), "guide_task", ["brand_id", "guide_id", "status", "deadline_at"])
    op.create_index(op.f("ix_guide_task_store"), "guide_task", ["brand_id", "store_id", "status", "deadline_at"])
    op.create_index(
        op.f("ix_guide_task_untold"),
        "guide_task",
        ["due_at"],
        postgresql_where=sa.text("status = 'open' AND announced_at IS NULL"),
    )
    op.create_index(
        op.f("ix_guide_task_ladder"), "guide_task", ["next_at"], postgresql_where=sa.text("status = 'open'")
    )


def downgrade() -> None:
    for table in ("guide_task", "sop_run", "sop_step", "sop_version", "sop"):
        op.drop_table(table)
