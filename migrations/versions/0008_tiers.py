"""Tables of tiers. The exclusion constraint needs btree_gist, which a database owner may install."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "tier",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tier_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("growth_from", sa.BigInteger(), nullable=False),
        sa.Column("points_rate_bp", sa.BigInteger(), server_default="10000", nullable=False),
        sa.CheckConstraint("growth_from >= 0 AND points_rate_bp >= 0", name=op.f("ck_tier_positive")),
        sa.PrimaryKeyConstraint("brand_id", "tier_id", name=op.f("pk_tier")),
        sa.UniqueConstraint("brand_id", "code", name=op.f("uq_tier_brand_id_code")),
        sa.UniqueConstraint("brand_id", "rank", name=op.f("uq_tier_brand_id_rank")),
        sa.UniqueConstraint("brand_id", "growth_from", name=op.f("uq_tier_brand_id_growth_from")),
    )
    op.create_table(
        "tier_policy",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("window_days", sa.BigInteger(), nullable=False),
        sa.Column("protection_days", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("window_days > 0 AND protection_days >= 0", name=op.f("ck_tier_policy_days")),
        sa.PrimaryKeyConstraint("brand_id", name=op.f("pk_tier_policy")),
    )
    op.create_table(
        "member_tier",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tier_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_member_tier_span")),
        sa.CheckConstraint("reason IN ('reached', 'review', 'import')", name=op.f("ck_member_tier_reason")),
        sa.ForeignKeyConstraint(
            ["brand_id", "tier_id"], ["tier.brand_id", "tier.tier_id"], name=op.f("fk_member_tier_brand_id_tier_id")
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "valid_from", name=op.f("pk_member_tier")),
    )
    op.execute(
        "ALTER TABLE member_tier ADD CONSTRAINT ex_member_tier_overlap EXCLUDE USING gist"
        " (brand_id WITH =, member_id WITH =, tstzrange(valid_from, valid_to) WITH &&)"
    )
    op.create_index(
        "uq_member_tier_current",
        "member_tier",
        ["brand_id", "member_id"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(op.f("ix_member_tier_correlation_id"), "member_tier", ["correlation_id"])
    op.create_table(
        "benefit",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("benefit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tier_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger()),
        sa.Column("points", sa.BigInteger()),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'coupon' AND campaign_id IS NOT NULL AND points IS NULL)"
            " OR (kind = 'points' AND points > 0 AND campaign_id IS NULL)",
            name=op.f("ck_benefit_kind"),
        ),
        sa.CheckConstraint("period IN ('once', 'monthly', 'yearly')", name=op.f("ck_benefit_period")),
        sa.ForeignKeyConstraint(
            ["brand_id", "tier_id"], ["tier.brand_id", "tier.tier_id"], name=op.f("fk_benefit_brand_id_tier_id")
        ),
        sa.PrimaryKeyConstraint("brand_id", "benefit_id", name=op.f("pk_benefit")),
    )
    op.create_table(
        "benefit_grant",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("benefit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id", "benefit_id"],
            ["benefit.brand_id", "benefit.benefit_id"],
            name=op.f("fk_benefit_grant_brand_id_benefit_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "benefit_id", "period", name=op.f("pk_benefit_grant")),
    )
    op.create_index(op.f("ix_benefit_grant_correlation_id"), "benefit_grant", ["correlation_id"])


def downgrade() -> None:
    for table in ("benefit_grant", "benefit", "member_tier", "tier_policy", "tier"):
        op.drop_table(table)
