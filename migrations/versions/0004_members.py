"""Tables of members."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "member",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("card_no", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("phone_tail", sa.Text(), nullable=True),
        sa.Column("gender", sa.SmallInteger(), nullable=False),
        sa.Column("birthday", sa.Date(), nullable=True),
        sa.Column("home_store_id", sa.BigInteger(), nullable=True),
        sa.Column("guide_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'frozen', 'erased')", name=op.f("ck_member_status")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", name=op.f("pk_member")),
    )
    op.create_index("ix_member_correlation_id", "member", ["correlation_id"], unique=False)
    op.create_index("ix_member_guide_id", "member", ["brand_id", "guide_id"], unique=False)
    op.create_index("ix_member_home_store_id", "member", ["brand_id", "home_store_id"], unique=False)
    op.create_index("ix_member_joined_at", "member", ["brand_id", "joined_at"], unique=False)
    op.create_index("ix_member_person_id", "member", ["brand_id", "person_id"], unique=False)
    op.create_table(
        "member_number",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "number", name=op.f("pk_member_number")),
    )
    op.create_table(
        "membership",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "person_id", name=op.f("pk_membership")),
    )
    op.create_index("ix_membership_person_id", "membership", ["person_id"], unique=False)
    op.create_table(
        "guide_history",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("guide_id", sa.BigInteger(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id"],
            ["member.brand_id", "member.member_id"],
            name=op.f("fk_guide_history_brand_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "from_at", name=op.f("pk_guide_history")),
    )


def downgrade() -> None:
    op.drop_table("guide_history")
    op.drop_table("membership")
    op.drop_table("member_number")
    op.drop_table("member")
