"""Channel codes and the official account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ADDED = (
    ("kind", sa.Text(), "'contact_way'"),
    ("purpose", sa.Text(), "''"),
    ("users", postgresql.JSONB(), "'[]'"),
    ("skip_verify", sa.Boolean(), "true"),
    ("tag_ids", postgresql.JSONB(), "'[]'"),
    ("page", sa.Text(), "''"),
    ("status", sa.Text(), "'live'"),
    ("version", sa.BigInteger(), "1"),
    ("applied_version", sa.BigInteger(), "1"),
    ("created_by", sa.Text(), "''"),
    ("created_at", MOMENT, "now()"),
    ("changed_at", MOMENT, "now()"),
)
BLANK = (("valid_until", MOMENT), ("busy_until", MOMENT), ("reserved_at", MOMENT), ("error", sa.Text()))


def upgrade() -> None:
    for name, kind, value in ADDED:
        op.add_column("channel_code", sa.Column(name, kind, nullable=False, server_default=sa.text(value)))
        op.alter_column("channel_code", name, server_default=None)
    for name, blank in BLANK:
        op.add_column("channel_code", sa.Column(name, blank, nullable=True))
    op.create_check_constraint(
        op.f("ck_channel_code_kind"), "channel_code", "kind IN ('contact_way', 'link', 'miniprogram')"
    )
    op.create_check_constraint(
        op.f("ck_channel_code_status"), "channel_code", "status IN ('ordered', 'live', 'failed', 'retired')"
    )
    op.create_index(
        "ix_channel_code_unsettled",
        "channel_code",
        ["changed_at"],
        unique=False,
        postgresql_where=sa.text("applied_version < version"),
    )
    op.create_index(
        "ix_channel_code_valid_until",
        "channel_code",
        ["valid_until"],
        unique=False,
        postgresql_where=sa.text("valid_until IS NOT NULL AND status <> 'retired'"),
    )
    op.create_table(
        "arrival",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("guide_id", sa.BigInteger(), nullable=True),
        sa.Column("userid", sa.Text(), nullable=True),
        sa.Column("external_userid", sa.Text(), nullable=True),
        sa.Column("lost_at", MOMENT, nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('added', 'opened')", name=op.f("ck_arrival_kind")),
        sa.CheckConstraint("(kind = 'added') = (external_userid IS NOT NULL)", name=op.f("ck_arrival_contact")),
        sa.PrimaryKeyConstraint("brand_id", "person_id", "code_id", "at", name=op.f("pk_arrival")),
    )
    op.create_index("ix_arrival_code_id", "arrival", ["code_id", "at"], unique=False)
    op.create_index("ix_arrival_person_id", "arrival", ["person_id"], unique=False)
    op.create_index(
        "ix_arrival_contact",
        "arrival",
        ["external_userid", "userid"],
        unique=False,
        postgresql_where=sa.text("external_userid IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("arrival")
    op.drop_index("ix_channel_code_valid_until", "channel_code")
    op.drop_index("ix_channel_code_unsettled", "channel_code")
    op.drop_constraint(op.f("ck_channel_code_status"), "channel_code")
    op.drop_constraint(op.f("ck_channel_code_kind"), "channel_code")
    for name, *_ in (*ADDED, *BLANK):
        op.drop_column("channel_code", name)
