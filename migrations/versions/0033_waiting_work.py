"""Work that waits for something, until that is woken."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_TABLES = ("inbox", "delivery", "slot")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("waits_for", sa.BigInteger()))
        op.create_index(
            f"ix_{table}_waiting", table, ["waits_for", "id"], postgresql_where=sa.text("status = 'waiting'")
        )


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"UPDATE {table} SET status = 'dead' WHERE status = 'waiting'")
        op.drop_index(f"ix_{table}_waiting", table)
        op.drop_column(table, "waits_for")
