"""Tables of coupons. The constraints here are the second line of every guard in commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import ids
from app.core.db import Base, distribution

from .rules import KINDS, SOURCES, STATUSES


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


class Campaign(Base):
    """A coupon campaign; `version` names the terms that new coupons get."""

    __tablename__ = "campaign"
    __table_args__ = (
        UniqueConstraint("brand_id", "code"),
        _one_of("kind", KINDS),
        _one_of("status", ("draft", "active", "paused", "ended")),
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
        # What ends unused is looked for by time in reports; events of the hot path are not in it.
        Index(
            "ix_coupon_event_ended", "brand_id", "at", postgresql_where=text("to_status IN ('expired', 'voided')")
        ),
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
        CheckConstraint("supplier_fen = 0 OR supplier IS NOT NULL", name="supplier"),
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
        Index("ix_redemption_returned_at", "brand_id", "returned_at", postgresql_where=text("returned_at IS NOT NULL")),
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
    supplier_fen: Mapped[int] = mapped_column(default=0, server_default="0")
    supplier: Mapped[str | None]
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
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    redemption_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_no: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    discount_fen: Mapped[int]
