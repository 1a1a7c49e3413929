"""Tables of coupons. The constraints here are the second line of every guard in commands."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import ids
from app.core.db import Base, distribution

from .rules import KINDS, SOURCES, STATUSES

CAMPAIGN_STATUSES = ("draft", "submitted", "active", "paused", "ended", "voided")


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


class Campaign(Base):
    """A coupon campaign; `version` names the terms that new coupons get."""

    __tablename__ = "campaign"
    __table_args__ = (
        UniqueConstraint("brand_id", "code"),
        _one_of("kind", KINDS),
        _one_of("status", CAMPAIGN_STATUSES),
        CheckConstraint("day_quota >= 1", name="day_quota"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    claimable: Mapped[bool]
    created_at: Mapped[datetime]
    day_quota: Mapped[int | None]
    allocated: Mapped[bool] = mapped_column(server_default="false", default=False)
    budgeted: Mapped[bool] = mapped_column(server_default="false", default=False)
    created_by: Mapped[str] = mapped_column(server_default="", default="")
    submitted_by: Mapped[str | None]
    approved_by: Mapped[str | None]


class CampaignEvent(Base):
    """Who switched a campaign, when and why; append-only."""

    __tablename__ = "campaign_event"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "campaign_id"], ["campaign.brand_id", "campaign.campaign_id"]),
        Index("ix_campaign_event_correlation_id", "correlation_id"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    action: Mapped[str]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    reason: Mapped[str]
    details: Mapped[dict[str, Any]]
    actor: Mapped[str]
    at: Mapped[datetime]
    correlation_id: Mapped[str]


class CampaignPolicy(Base):
    """From which size on a brand's campaigns are approved by a second person; None: never for that measure."""

    __tablename__ = "campaign_policy"
    __table_args__ = (
        CheckConstraint("approve_quota >= 1 AND approve_budget_fen >= 1", name="positive"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    approve_quota: Mapped[int | None]
    approve_budget_fen: Mapped[int | None]


class CampaignVersion(Base):
    """Terms as once promised; never changed, so that every process may keep them in memory."""

    __tablename__ = "campaign_version"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "campaign_id"], ["campaign.brand_id", "campaign.campaign_id"]),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    terms: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class CampaignStock(Base):
    """A campaign's stock, cut into stripes so that a burst of claims does not wait on one row."""

    __tablename__ = "campaign_stock"
    __table_args__ = (CheckConstraint("0 <= issued AND issued <= quota", name="issued"), distribution("campaign_id"))

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stripe: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    brand_id: Mapped[int]
    quota: Mapped[int]
    issued: Mapped[int]


class CampaignDay(Base):
    """What a campaign with a day's stock gave out on a local day."""

    __tablename__ = "campaign_day"
    __table_args__ = (CheckConstraint("0 <= issued AND issued <= quota", name="issued"), distribution("campaign_id"))

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    quota: Mapped[int]
    issued: Mapped[int]


class CampaignAllocation(Base):
    """The part of a campaign's stock that one store gives out."""

    __tablename__ = "campaign_allocation"
    __table_args__ = (CheckConstraint("0 <= issued AND issued <= quota", name="issued"), distribution("campaign_id"))

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    brand_id: Mapped[int]
    quota: Mapped[int]
    issued: Mapped[int]


class CampaignBudget(Base):
    """How much a campaign's coupons may take off in all, and what live redemptions have taken, in fen."""

    __tablename__ = "campaign_budget"
    __table_args__ = (
        CheckConstraint("0 <= spent_fen AND spent_fen <= budget_fen", name="spent"),
        distribution("campaign_id"),
    )

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    brand_id: Mapped[int]
    budget_fen: Mapped[int]
    spent_fen: Mapped[int]


class OrderDiscount(Base):
    """What the coupons on one order take off together, and the stacking groups that are on it.

    The one row all redemptions of an order meet at: two coupons at the same moment are told apart by it.
    """

    __tablename__ = "order_discount"
    __table_args__ = (
        CheckConstraint("0 <= discount_fen AND discount_fen <= total_fen", name="discount"),
        distribution("order_no"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_no: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    total_fen: Mapped[int]
    discount_fen: Mapped[int]
    groups: Mapped[list[str]] = mapped_column(ARRAY(Text))


class Coupon(Base):
    """One member's coupon. `seq` counts the member's coupons of the campaign; its uniqueness is the member's limit.

    One that came with a merged member has the `origin_member_id` it goes home to, and a new seq after the winner's.
    `moved` keeps what it was called before, by the member it left: {"123": {"seq": 2, "ref": "benefit:1:once"}}.
    """

    __tablename__ = "coupon"
    __table_args__ = (
        UniqueConstraint("brand_id", "member_id", "campaign_id", "seq"),
        UniqueConstraint("brand_id", "member_id", "source", "source_ref", name="uq_coupon_source_ref"),
        ForeignKeyConstraint(
            ["brand_id", "campaign_id", "version"],
            ["campaign_version.brand_id", "campaign_version.campaign_id", "campaign_version.version"],
        ),
        _one_of("status", STATUSES),
        _one_of("source", SOURCES),
        CheckConstraint("seq >= 1", name="seq"),
        CheckConstraint("valid_from < valid_to", name="validity"),
        CheckConstraint("(status = 'locked') = (locked_order IS NOT NULL)", name="locked_order"),
        CheckConstraint("(locked_order IS NULL) = (locked_until IS NULL)", name="locked_until"),
        Index("ix_coupon_campaign", "brand_id", "campaign_id", "status"),
        Index("ix_coupon_open", "valid_to", postgresql_where=text("status IN ('claimed', 'locked', 'returned')")),
        Index("ix_coupon_locked", "locked_until", postgresql_where=text("status = 'locked'")),
        Index("ix_coupon_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    version: Mapped[int] = mapped_column(Integer)
    seq: Mapped[int] = mapped_column(Integer)
    code: Mapped[str]
    status: Mapped[str]
    claimed_at: Mapped[datetime]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    source: Mapped[str]
    source_ref: Mapped[str | None]
    guide_id: Mapped[int | None]
    locked_order: Mapped[str | None]
    locked_until: Mapped[datetime | None]
    code_step: Mapped[int | None]
    correlation_id: Mapped[str]
    origin_member_id: Mapped[int | None]
    moved: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class CouponCode(Base):
    """From a code to its coupon: the one place where codes are unique."""

    __tablename__ = "coupon_code"
    __table_args__ = (distribution("code"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    member_id: Mapped[int]
    coupon_id: Mapped[int]


class CouponEvent(Base):
    """Every change of a coupon's state, append-only: triggers refuse all but the move of a row, as it is, with its
    coupon to the member that its member was merged into (migration 0015).
    """

    __tablename__ = "coupon_event"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"], ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"]
        ),
        Index("ix_coupon_event_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    cause: Mapped[str]
    order_no: Mapped[str | None]
    store_id: Mapped[int | None]
    at: Mapped[datetime]
    correlation_id: Mapped[str]


class Redemption(Base):
    """A coupon used for an order: what it took off and who pays for that, in fen."""

    __tablename__ = "redemption"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"], ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"]
        ),
        CheckConstraint("discount_fen > 0", name="discount_fen"),
        CheckConstraint(
            "least(hq_fen, dealer_fen, supplier_fen) >= 0 AND hq_fen + dealer_fen + supplier_fen = discount_fen",
            name="cost_share",
        ),
        CheckConstraint("refunded_fen BETWEEN 0 AND discount_fen", name="refunded_fen"),
        Index(
            "uq_redemption_live",
            "brand_id",
            "member_id",
            "coupon_id",
            unique=True,
            postgresql_where=text("returned_at IS NULL"),
        ),
        Index("ix_redemption_redemption_id", "redemption_id"),
        Index("ix_redemption_order_no", "brand_id", "order_no"),
        Index("ix_redemption_redeemed_at", "brand_id", "redeemed_at"),
        Index("ix_redemption_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    redemption_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int]
    source: Mapped[str]
    order_no: Mapped[str]
    store_id: Mapped[int]
    discount_fen: Mapped[int]
    hq_fen: Mapped[int]
    dealer_fen: Mapped[int]
    supplier_fen: Mapped[int] = mapped_column(server_default="0", default=0)
    supplier: Mapped[str] = mapped_column(server_default="", default="")
    stack_group: Mapped[str] = mapped_column(server_default="", default="")
    refunded_fen: Mapped[int] = mapped_column(server_default="0", default=0)
    api_client_id: Mapped[int | None]
    redeemed_at: Mapped[datetime]
    returned_at: Mapped[datetime | None]
    correlation_id: Mapped[str]


class RedemptionLine(Base):
    """The share of a redemption's discount that falls on one line of its order."""

    __tablename__ = "redemption_line"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "redemption_id"],
            ["redemption.brand_id", "redemption.member_id", "redemption.redemption_id"],
        ),
        CheckConstraint("discount_fen > 0", name="discount_fen"),
        CheckConstraint("quantity > 0 AND refunded_quantity BETWEEN 0 AND quantity", name="refunded_quantity"),
        CheckConstraint("refunded_fen BETWEEN 0 AND discount_fen", name="refunded_fen"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    redemption_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_no: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    discount_fen: Mapped[int]
    quantity: Mapped[int] = mapped_column(Integer, server_default="1", default=1)
    refunded_quantity: Mapped[int] = mapped_column(Integer, server_default="0", default=0)
    refunded_fen: Mapped[int] = mapped_column(server_default="0", default=0)


class RedemptionRefund(Base):
    """What went back of a redemption's discount with one line of one refund, and to whom, in fen."""

    __tablename__ = "redemption_refund"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "redemption_id", "line_no"],
            [
                "redemption_line.brand_id",
                "redemption_line.member_id",
                "redemption_line.redemption_id",
                "redemption_line.line_no",
            ],
        ),
        CheckConstraint("quantity > 0 AND hq_fen + dealer_fen + supplier_fen = fen", name="adds_up"),
        Index("ix_redemption_refund_at", "brand_id", "at"),
        Index("ix_redemption_refund_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    redemption_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    refund_no: Mapped[str] = mapped_column(primary_key=True)
    line_no: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    quantity: Mapped[int] = mapped_column(Integer)
    fen: Mapped[int]
    hq_fen: Mapped[int]
    dealer_fen: Mapped[int]
    supplier_fen: Mapped[int]
    at: Mapped[datetime]
    correlation_id: Mapped[str]


class OfflineQuota(Base):
    """How much a store may take off while it cannot reach us and others took it first, per month, in fen."""

    __tablename__ = "offline_quota"
    __table_args__ = (
        CheckConstraint("0 <= used_fen AND used_fen <= limit_fen", name="used"),
        distribution("store_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    month: Mapped[str] = mapped_column(primary_key=True)
    limit_fen: Mapped[int]
    used_fen: Mapped[int]


class OfflineReceipt(Base):
    """A coupon that a till took while it could not reach us, and what became of it: redeemed, a conflict (charged to
    the store's quota), over (a conflict beyond it), refused (it never was good).
    """

    __tablename__ = "offline_receipt"
    __table_args__ = (
        _one_of("outcome", ("redeemed", "conflict", "over", "refused")),
        Index("ix_offline_receipt_store", "brand_id", "store_id", "received_at"),
        Index("ix_offline_receipt_correlation_id", "correlation_id"),
        distribution("receipt_no"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    receipt_no: Mapped[str] = mapped_column(primary_key=True)
    order_no: Mapped[str]
    coupon_id: Mapped[int | None]
    redemption_id: Mapped[int | None]
    discount_fen: Mapped[int]
    outcome: Mapped[str]
    reason: Mapped[str]
    taken_at: Mapped[datetime]
    received_at: Mapped[datetime]
    content_hash: Mapped[bytes]
    correlation_id: Mapped[str]
