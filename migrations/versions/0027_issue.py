"""The ways by which coupons reach members: pushes, guides' quotas, gifts, redeem codes, transfers to friends."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_BEFORE = ("self", "sop", "tier", "push", "admin")
_SOURCES = (*_BEFORE, "guide", "welcome", "birthday", "order", "referral", "redeem_code", "friend")


def _allow(sources) -> None:
    op.drop_constraint(op.f("ck_coupon_source"), "coupon", type_="check")
    values = ", ".join(f"'{source}'" for source in sources)
    op.create_check_constraint(op.f("ck_coupon_source"), "coupon", f"source IN ({values})")


def upgrade() -> None:
    _allow(_SOURCES)
    op.create_table(
        "coupon_hold_out",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("push_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "push_id", name=op.f("pk_coupon_hold_out")),
    )
    op.create_index("ix_coupon_hold_out_push_id", "coupon_hold_out", ["brand_id", "push_id"], unique=False)
    op.create_table(
        "coupon_transfer_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("transfer_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_coupon_transfer_token")),
    )
    op.create_table(
        "gift",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("origin_member_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "kind", "occasion", name=op.f("pk_gift")),
    )
    op.create_index("ix_gift_correlation_id", "gift", ["correlation_id"], unique=False)
    op.create_table(
        "guide_coupon_quota",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("guide_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used > 0", name=op.f("ck_guide_coupon_quota_used")),
        sa.PrimaryKeyConstraint("brand_id", "guide_id", "campaign_id", "day", name=op.f("pk_guide_coupon_quota")),
    )
    op.create_table(
        "redeem_code",
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("coupon_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(used_at IS NULL) = (coupon_id IS NULL)", name=op.f("ck_redeem_code_used_at")),
        sa.PrimaryKeyConstraint("mac", name=op.f("pk_redeem_code")),
    )
    op.create_index(
        "ix_redeem_code_used",
        "redeem_code",
        ["brand_id", "batch_id"],
        unique=False,
        postgresql_where=sa.text("used_at IS NOT NULL"),
    )
    op.create_table(
        "redeem_code_sealed",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "batch_id", "first", name=op.f("pk_redeem_code_sealed")),
    )
    op.create_table(
        "referral",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("referrer_id", sa.BigInteger(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("(member_id IS NULL) = (joined_at IS NULL)", name=op.f("ck_referral_joined_at")),
        sa.CheckConstraint("member_id <> referrer_id", name=op.f("ck_referral_not_oneself")),
        sa.PrimaryKeyConstraint("brand_id", "person_id", name=op.f("pk_referral")),
    )
    op.create_index("ix_referral_correlation_id", "referral", ["correlation_id"], unique=False)
    op.create_index("ix_referral_person_id", "referral", ["person_id"], unique=False)
    op.create_index("ix_referral_referrer_id", "referral", ["brand_id", "referrer_id"], unique=False)
    op.create_table(
        "coupon_push",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("push_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("segment_id", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_out_bp", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("audience", sa.BigInteger(), nullable=True),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("issued", sa.BigInteger(), nullable=False),
        sa.Column("held_out", sa.BigInteger(), nullable=False),
        sa.Column("opted_out", sa.BigInteger(), nullable=False),
        sa.Column("limited", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("(status = 'stopped') = (stop_reason IS NOT NULL)", name=op.f("ck_coupon_push_stop_reason")),
        sa.CheckConstraint("status IN ('running', 'stopped', 'done')", name=op.f("ck_coupon_push_status")),
        sa.CheckConstraint("hold_out_bp BETWEEN 0 AND 9999", name=op.f("ck_coupon_push_hold_out_bp")),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id"],
            ["campaign.brand_id", "campaign.campaign_id"],
            name=op.f("fk_coupon_push_brand_id_campaign_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "push_id", name=op.f("pk_coupon_push")),
    )
    op.create_index("ix_coupon_push_correlation_id", "coupon_push", ["correlation_id"], unique=False)
    op.create_table(
        "gift_rule",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("min_fen", sa.BigInteger(), nullable=False),
        sa.Column("keep_on_refund", sa.Boolean(), nullable=False),
        sa.Column("days_before", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ran_day", sa.Date(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "days_before BETWEEN 0 AND 31 AND (days_before = 0 OR kind = 'birthday')",
            name=op.f("ck_gift_rule_days_before"),
        ),
        sa.CheckConstraint(
            "kind IN ('welcome', 'birthday', 'order', 'referrer', 'referred')", name=op.f("ck_gift_rule_kind")
        ),
        sa.CheckConstraint("min_fen >= 0 AND (min_fen = 0 OR kind = 'order')", name=op.f("ck_gift_rule_min_fen")),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id"],
            ["campaign.brand_id", "campaign.campaign_id"],
            name=op.f("fk_gift_rule_brand_id_campaign_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "rule_id", name=op.f("pk_gift_rule")),
        sa.UniqueConstraint("brand_id", "kind", "campaign_id", name=op.f("uq_gift_rule_brand_id_kind_campaign_id")),
    )
    op.create_table(
        "guide_coupon_limit",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("per_day >= 0", name=op.f("ck_guide_coupon_limit_per_day")),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id"],
            ["campaign.brand_id", "campaign.campaign_id"],
            name=op.f("fk_guide_coupon_limit_brand_id_campaign_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "campaign_id", name=op.f("pk_guide_coupon_limit")),
    )
    op.create_table(
        "redeem_batch",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("made", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exports", sa.Integer(), nullable=False),
        sa.Column("exporting_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "size > 0 AND made BETWEEN 0 AND size AND (status <> 'ready' OR made = size)",
            name=op.f("ck_redeem_batch_made"),
        ),
        sa.CheckConstraint("status IN ('making', 'ready', 'voided')", name=op.f("ck_redeem_batch_status")),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id"],
            ["campaign.brand_id", "campaign.campaign_id"],
            name=op.f("fk_redeem_batch_brand_id_campaign_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "batch_id", name=op.f("pk_redeem_batch")),
    )
    op.create_index("ix_redeem_batch_correlation_id", "redeem_batch", ["correlation_id"], unique=False)
    op.create_table(
        "coupon_transfer",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("transfer_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coupon_id", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_by", sa.BigInteger(), nullable=True),
        sa.Column("taken_coupon_id", sa.BigInteger(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(status = 'taken') = (taken_coupon_id IS NOT NULL)", name=op.f("ck_coupon_transfer_taken_coupon_id")
        ),
        sa.CheckConstraint("status IN ('open', 'taken', 'taken_back')", name=op.f("ck_coupon_transfer_status")),
        sa.CheckConstraint("(taken_by IS NULL) = (taken_coupon_id IS NULL)", name=op.f("ck_coupon_transfer_taken_by")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"],
            ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"],
            name=op.f("fk_coupon_transfer_brand_id_member_id_coupon_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "transfer_id", name=op.f("pk_coupon_transfer")),
    )
    op.create_index("ix_coupon_transfer_correlation_id", "coupon_transfer", ["correlation_id"], unique=False)


def downgrade() -> None:
    op.drop_table("coupon_transfer")
    op.drop_table("redeem_batch")
    op.drop_table("guide_coupon_limit")
    op.drop_table("gift_rule")
    op.drop_table("coupon_push")
    op.drop_table("referral")
    op.drop_table("redeem_code_sealed")
    op.drop_table("redeem_code")
    op.drop_table("guide_coupon_quota")
    op.drop_table("gift")
    op.drop_table("coupon_transfer_token")
    op.drop_table("coupon_hold_out")
    _allow(_BEFORE)
