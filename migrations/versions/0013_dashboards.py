"""Indexes of the dashboards."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_follow_added_at", "follow", ["brand_id", "added_at"])
    op.create_index("ix_coupon_claimed_at", "coupon", ["brand_id", "claimed_at"])
    op.create_index("ix_guide_task_created_at", "guide_task", ["brand_id", "created_at"])
    op.create_index("ix_guide_task_due_at", "guide_task", ["brand_id", "due_at", "task_id"])
    op.create_index(
        "ix_guide_task_done_at", "guide_task", ["brand_id", "done_at"], postgresql_where=sa.text("done_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_guide_task_done_at", "guide_task")
    op.drop_index("ix_guide_task_due_at", "guide_task")
    op.drop_index("ix_guide_task_created_at", "guide_task")
    op.drop_index("ix_coupon_claimed_at", "coupon")
    op.drop_index("ix_follow_added_at", "follow")
