"""Campaigns shown in outside channels, coupons' twins there, and what cannot be both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_LIVING = "state IN ('wanted', 'confirming', 'pending', 'effective', 'used') AND openid IS NOT NULL"


def _id(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def upgrade() -> None:
    op.create_table(
        "campaign_channel",
        _id("brand_id"),
        _id("campaign_id"),
        _text("channel"),
        _text("product_id", null=True),
        _text("stock_id", null=True),
        _text("state"),
        sa.Column("own_codes", sa.Boolean(), nullable=False),
        sa.Column("made", sa.Boolean(), nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        _text("image_url"),
        _id("store_id"),
        sa.Column("most", sa.BigInteger(), nullable=True),
        _text("last_error", null=True),
        _time("bound_at"),
        _time("checked_at", null=True),
        _text("bound_by"),
        _text("correlation_id"),
        sa.CheckConstraint("channel IN ('local', 'wechat_product')", name=op.f("ck_campaign_channel_channel")),
        sa.CheckConstraint(
            "state IN ('creating', 'auditing', 'sending', 'paused', 'stopped', 'deactivated', 'refused', 'unbound')",
            name=op.f("ck_campaign_channel_state"),
        ),
        sa.CheckConstraint("(product_id IS NULL) = (stock_id IS NULL)", name=op.f("ck_campaign_channel_stock")),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id"],
            ["campaign.brand_id", "campaign.campaign_id"],
            name=op.f("fk_campaign_channel_brand_id_campaign_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "campaign_id", name=op.f("pk_campaign_channel")),
        sa.UniqueConstraint("channel", "stock_id", name=op.f("uq_campaign_channel_channel_stock_id")),
    )
    op.create_index("ix_campaign_channel_correlation_id", "campaign_channel", ["correlation_id"])

    op.create_table(
        "coupon_twin",
        _id("brand_id"),
        _id("member_id"),
        _id("coupon_id"),
        _id("campaign_id"),
        _text("channel"),
        _text("product_id"),
        _text("stock_id"),
        sa.Column("own_codes", sa.Boolean(), nullable=False),
        _text("appid"),
        _text("openid", null=True),
        _text("external_code", null=True),
        _text("state"),
        _time("fact_at", null=True),
        sa.Column("fact_rank", sa.SmallInteger(), nullable=False),
        _text("use_ref", null=True),
        _text("order_no", null=True),
        _id("adopted", null=True),
        _text("adopted_ref", null=True),
        _time("asked_at", null=True),
        _text("last_error", null=True),
        _time("looked_at"),
        _time("created_at"),
        _text("correlation_id"),
        sa.CheckConstraint("channel IN ('local', 'wechat_product')", name=op.f("ck_coupon_twin_channel")),
        sa.CheckConstraint(
            "state IN ('wanted', 'confirming', 'pending', 'effective', 'used', 'expired', 'deleted', 'deactivated',"
            " 'refused', 'dropped')",
            name=op.f("ck_coupon_twin_state"),
        ),
        sa.CheckConstraint("adopted IS NULL OR adopted_ref IS NOT NULL", name=op.f("ck_coupon_twin_adopted")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"],
            ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"],
            name=op.f("fk_coupon_twin_brand_id_member_id_coupon_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "coupon_id", name=op.f("pk_coupon_twin")),
    )
    op.create_index("ix_coupon_twin_campaign", "coupon_twin", ["brand_id", "campaign_id", "coupon_id"])
    op.create_index(
        "ix_coupon_twin_living", "coupon_twin", ["looked_at", "coupon_id"], postgresql_where=sa.text(_LIVING)
    )
    op.create_index("ix_coupon_twin_correlation_id", "coupon_twin", ["correlation_id"])

    op.create_table(
        "twin_code",
        _text("external_code"),
        _text("channel"),
        _id("brand_id"),
        _id("member_id"),
        _id("coupon_id"),
        sa.PrimaryKeyConstraint("external_code", "channel", name=op.f("pk_twin_code")),
    )

    op.create_table(
        "twin_conflict",
        _id("brand_id"),
        _id("member_id"),
        _id("coupon_id"),
        _text("kind"),
        _text("ref"),
        _id("conflict_id"),
        _text("channel"),
        sa.Column("ours", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("theirs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        _time("found_at"),
        _time("closed_at", null=True),
        _text("closed_by", null=True),
        _text("note", null=True),
        _text("correlation_id"),
        sa.CheckConstraint(
            "kind IN ('used_twice', 'used_after_end', 'used_not_redeemable', 'returned_outside', 'withdrawn_outside',"
            " 'refused_confirm', 'refused_use', 'refused_return', 'refused_deactivate')",
            name=op.f("ck_twin_conflict_kind"),
        ),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_twin_conflict_closed")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"],
            ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"],
            name=op.f("fk_twin_conflict_brand_id_member_id_coupon_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "coupon_id", "kind", "ref", name=op.f("pk_twin_conflict")),
    )
    op.create_index("ix_twin_conflict_conflict_id", "twin_conflict", ["brand_id", "conflict_id"])
    op.create_index(
        "ix_twin_conflict_open",
        "twin_conflict",
        ["brand_id", "conflict_id"],
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_twin_conflict_correlation_id", "twin_conflict", ["correlation_id"])


def downgrade() -> None:
    for table in ("twin_conflict", "twin_code", "coupon_twin", "campaign_channel"):
        op.drop_table(table)
