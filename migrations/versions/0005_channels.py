"""Tables of channels."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel_code",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("guide_id", sa.BigInteger(), nullable=True),
        sa.Column("config_id", sa.Text(), nullable=True),
        sa.Column("qr_code", sa.Text(), nullable=True),
        sa.Column("welcome_material_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_code")),
        sa.UniqueConstraint("state", name=op.f("uq_channel_code_state")),
    )
    op.create_index("ix_channel_code_brand_id", "channel_code", ["brand_id"], unique=False)
    op.create_table(
        "follow",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("userid", sa.Text(), nullable=False),
        sa.Column("external_userid", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("guide_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("add_way", sa.BigInteger(), nullable=True),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'lost', 'deleted')", name=op.f("ck_follow_status")),
        sa.PrimaryKeyConstraint("corp_id", "userid", "external_userid", name=op.f("pk_follow")),
    )
    op.create_index("ix_follow_correlation_id", "follow", ["correlation_id"], unique=False)
    op.create_index("ix_follow_guide_id", "follow", ["guide_id", "status"], unique=False)
    op.create_index("ix_follow_person_id", "follow", ["person_id"], unique=False)
    op.create_table(
        "outbound",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("outside_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('reserved', 'sent', 'failed', 'unknown')", name=op.f("ck_outbound_status")),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_outbound")),
    )
    op.create_index("ix_outbound_correlation_id", "outbound", ["correlation_id"], unique=False)
    op.create_index(
        "ix_outbound_reserved",
        "outbound",
        ["reserved_at"],
        unique=False,
        postgresql_where=sa.text("status = 'reserved'"),
    )


def downgrade() -> None:
    op.drop_table("outbound")
    op.drop_table("follow")
    op.drop_table("channel_code")
