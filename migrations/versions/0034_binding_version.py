"""Which version of a campaign's terms a channel shows."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign_channel", sa.Column("version", sa.Integer(), nullable=True))
    # Of bindings that are there, the terms as they were when each began.
    op.execute("""
        UPDATE campaign_channel k SET version = coalesce(
          (SELECT max(v.version) FROM campaign_version v
           WHERE v.brand_id = k.brand_id AND v.campaign_id = k.campaign_id AND v.created_at <= k.bound_at), 1)
    """)
    op.alter_column("campaign_channel", "version", nullable=False)


def downgrade() -> None:
    op.drop_column("campaign_channel", "version")
