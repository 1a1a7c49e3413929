"""Tables of what was taken off orders, and given back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, distribution

from .parts import one_of


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
        one_of("outcome", ("redeemed", "conflict", "over", "refused")),
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
