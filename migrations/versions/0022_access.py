"""Second factor and scopes of console users."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "admin_user", sa.Column("must_change_password", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("admin_user", sa.Column("factor_secret", sa.Text()))
    op.add_column("admin_user", sa.Column("factor_since", sa.DateTime(timezone=True)))
    op.add_column("admin_user", sa.Column("factor_step", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("admin_user", sa.Column("recovery_codes", JSONB(), nullable=False, server_default=sa.text("'[]'")))
    op.create_index("ix_audit_log_actor", "audit_log", ["actor", "id"])
    op.create_index("ix_audit_log_subject", "audit_log", ["subject", "id"])


def downgrade() -> None:
    op.drop_index("ix_audit_log_subject", "audit_log")
    op.drop_index("ix_audit_log_actor", "audit_log")
    for column in ("recovery_codes", "factor_step", "factor_since", "factor_secret", "must_change_password"):
        op.drop_column("admin_user", column)
