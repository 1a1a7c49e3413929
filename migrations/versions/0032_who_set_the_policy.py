"""Who set from which size on campaigns are approved, and the sizes that this person is held to."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign_policy", sa.Column("set_by", sa.Text(), server_default="", nullable=False))
    op.add_column("campaign_policy", sa.Column("strict_quota", sa.BigInteger()))
    op.add_column("campaign_policy", sa.Column("strict_budget_fen", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("campaign_policy", "strict_budget_fen")
    op.drop_column("campaign_policy", "strict_quota")
    op.drop_column("campaign_policy", "set_by")
