"""Tables of identity."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blocked_value",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_blocked_value")),
    )
    op.create_table(
        "identity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("sealed_value", sa.Text(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'mobile') = (sealed_value IS NOT NULL)", name=op.f("ck_identity_mobile_is_sealed")),
        sa.CheckConstraint(
            "kind IN ('unionid', 'openid', 'external_userid', 'mobile', 'card', 'import')",
            name=op.f("ck_identity_kind"),
        ),
        sa.PrimaryKeyConstraint("kind", "namespace", "value", name=op.f("pk_identity")),
    )
    op.create_index("ix_identity_correlation_id", "identity", ["correlation_id"], unique=False)
    op.create_index("ix_identity_person_id", "identity", ["person_id"], unique=False)
    op.create_table(
        "identity_review",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("person_a", sa.BigInteger(), nullable=False),
        sa.Column("person_b", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'merged', 'kept_apart')", name=op.f("ck_identity_review_status")),
        sa.CheckConstraint("person_a < person_b", name=op.f("ck_identity_review_ordered")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_review")),
    )
    op.create_index("ix_identity_review_correlation_id", "identity_review", ["correlation_id"], unique=False)
    op.create_index(
        "ix_identity_review_open",
        "identity_review",
        ["person_a", "person_b"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "person",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("merged_into", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("merged_into < person_id", name=op.f("ck_person_older_wins")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person")),
    )
    op.create_index(
        "ix_person_merged_into",
        "person",
        ["merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "person_merge",
        sa.Column("merge_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("winner_id", sa.BigInteger(), nullable=False),
        sa.Column("loser_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("merge_id", name=op.f("pk_person_merge")),
    )
    op.create_index("ix_person_merge_correlation_id", "person_merge", ["correlation_id"], unique=False)
    op.create_index("ix_person_merge_loser_id", "person_merge", ["loser_id"], unique=False)
    op.create_index("ix_person_merge_winner_id", "person_merge", ["winner_id"], unique=False)


def downgrade() -> None:
    op.drop_table("person_merge")
    op.drop_table("person")
    op.drop_table("identity_review")
    op.drop_table("identity")
    op.drop_table("blocked_value")
