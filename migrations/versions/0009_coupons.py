"""Tables of coupons."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaign",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("claimable", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('amount', 'threshold', 'percent', 'gift', 'shipping')", name=op.f("ck_campaign_kind")
        ),
        sa.CheckConstraint("status IN ('draft', 'active', 'paused', 'ended')", name=op.f("ck_campaign_status")),
        sa.PrimaryKeyConstraint("brand_id", "campaign_id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("brand_id", "code", name=op.f("uq_campaign_brand_id_code")),
    )
    op.create_table(
        "campaign_stock",
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stripe", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("quota", sa.BigInteger(), nullable=False),
        sa.Column("issued", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("0 <= issued AND issued <= quota", name=op.f("ck_campaign_stock_issued")),
        sa.PrimaryKeyConstraint("campaign_id", "stripe", name=op.f("pk_campaign_stock")),
    )
    op.create_table(
        "coupon_code",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_coupon_code")),
    )
    op.create_table(
        "campaign_version",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id"],
            ["campaign.brand_id", "campaign.campaign_id"],
            name=op.f("fk_campaign_version_brand_id_campaign_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "campaign_id", "version", name=op.f("pk_campaign_version")),
    )
    op.create_table(
        "coupon",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=True),
        sa.Column("guide_id", sa.BigInteger(), nullable=True),
        sa.Column("locked_order", sa.Text(), nullable=True),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code_step", sa.BigInteger(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("(status = 'locked') = (locked_order IS NOT NULL)", name=op.f("ck_coupon_locked_order")),
        sa.CheckConstraint("source IN ('self', 'sop', 'tier', 'push', 'admin')", name=op.f("ck_coupon_source")),
        sa.CheckConstraint(
            "status IN ('claimed', 'locked', 'redeemed', 'returned', 'expired', 'voided')",
            name=op.f("ck_coupon_status"),
        ),
        sa.CheckConstraint("(locked_order IS NULL) = (locked_until IS NULL)", name=op.f("ck_coupon_locked_until")),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_coupon_seq")),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("ck_coupon_validity")),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id", "version"],
            ["campaign_version.brand_id", "campaign_version.campaign_id", "campaign_version.version"],
            name=op.f("fk_coupon_brand_id_campaign_id_version"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "coupon_id", name=op.f("pk_coupon")),
        sa.UniqueConstraint(
            "brand_id", "member_id", "campaign_id", "seq", name=op.f("uq_coupon_brand_id_member_id_campaign_id_seq")
        ),
        sa.UniqueConstraint("brand_id", "member_id", "source", "source_ref", name="uq_coupon_source_ref"),
    )
    op.create_index("ix_coupon_campaign", "coupon", ["brand_id", "campaign_id", "status"], unique=False)
    op.create_index("ix_coupon_correlation_id", "coupon", ["correlation_id"], unique=False)
    op.create_index(
        "ix_coupon_locked", "coupon", ["locked_until"], unique=False, postgresql_where=sa.text("status = 'locked'")
    )
    op.create_index(
        "ix_coupon_open",
        "coupon",
        ["valid_to"],
        unique=False,
        postgresql_where=sa.text("status IN ('claimed', 'locked', 'returned')"),
    )
    op.create_table(
        "coupon_event",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=True),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"],
            ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"],
            name=op.f("fk_coupon_event_brand_id_member_id_coupon_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "coupon_id", "event_id", name=op.f("pk_coupon_event")),
    )
    op.create_index("ix_coupon_event_correlation_id", "coupon_event", ["correlation_id"], unique=False)
    op.create_table(
        "redemption",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("redemption_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("discount_fen", sa.BigInteger(), nullable=False),
        sa.Column("hq_fen", sa.BigInteger(), nullable=False),
        sa.Column("dealer_fen", sa.BigInteger(), nullable=False),
        sa.Column("api_client_id", sa.BigInteger(), nullable=True),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("discount_fen > 0", name=op.f("ck_redemption_discount_fen")),
        sa.CheckConstraint(
            "hq_fen >= 0 AND dealer_fen >= 0 AND hq_fen + dealer_fen = discount_fen",
            name=op.f("ck_redemption_cost_share"),
        ),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"],
            ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"],
            name=op.f("fk_redemption_brand_id_member_id_coupon_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "redemption_id", name=op.f("pk_redemption")),
    )
    op.create_index("ix_redemption_correlation_id", "redemption", ["correlation_id"], unique=False)
    op.create_index("ix_redemption_order_no", "redemption", ["brand_id", "order_no"], unique=False)
    op.create_index("ix_redemption_redeemed_at", "redemption", ["brand_id", "redeemed_at"], unique=False)
    op.create_index("ix_redemption_redemption_id", "redemption", ["redemption_id"], unique=False)
    op.create_index(
        "uq_redemption_live",
        "redemption",
        ["brand_id", "member_id", "coupon_id"],
        unique=True,
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    op.create_table(
        "redemption_line",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("redemption_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("discount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("discount_fen > 0", name=op.f("ck_redemption_line_discount_fen")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "redemption_id"],
            ["redemption.brand_id", "redemption.member_id", "redemption.redemption_id"],
            name=op.f("fk_redemption_line_brand_id_member_id_redemption_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "redemption_id", "line_no", name=op.f("pk_redemption_line")),
    )
    op.execute(
        """
        CREATE TRIGGER coupon_event_append_only BEFORE UPDATE OR DELETE ON coupon_event
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """
    )


def downgrade() -> None:
    op.drop_table("redemption_line")
    op.drop_table("redemption")
    op.drop_table("coupon_event")
    op.drop_table("coupon")
    op.drop_table("campaign_version")
    op.drop_table("coupon_code")
    op.drop_table("campaign_stock")
    op.drop_table("campaign")
