"""Tables of segments."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "member_tag",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "tag", name=op.f("pk_member_tag")),
    )
    op.create_index(op.f("ix_member_tag_tag"), "member_tag", ["brand_id", "tag"])
    op.create_table(
        "segment",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("segment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "segment_id", name=op.f("pk_segment")),
        sa.UniqueConstraint("brand_id", "name", name=op.f("uq_segment_brand_id_name")),
    )
    op.create_table(
        "segment_snapshot",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("segment_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "segment_id", "taken_at", name=op.f("pk_segment_snapshot")),
    )
    op.create_index(
        op.f("ix_segment_snapshot_walk"),
        "segment_snapshot",
        ["brand_id", "segment_id", "taken_at", "member_id"],
    )


def downgrade() -> None:
    op.drop_table("segment_snapshot")
    op.drop_table("segment")
    op.drop_table("member_tag")
