"""Tables of closed months. Lines and their totals are append-only (migration 0028)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, distribution

from .facts import KINDS

_ADDS_UP = "hq_fen + dealer_fen + supplier_fen = discount_fen"


class CouponMonth(Base):
    """A brand's month that somebody asked to close, or that a second person has closed; months close in order.

    `month` is its first day, `digest` the SHA-256 over the digests of its stores: what was asked for is what is closed.
    """

    __tablename__ = "coupon_month"
    __table_args__ = (
        CheckConstraint("status IN ('asked', 'closed')", name="status"),
        CheckConstraint("extract(day FROM month) = 1", name="month"),
        CheckConstraint("(status = 'closed') = (closed_by IS NOT NULL)", name="closed_by"),
        CheckConstraint("(closed_by IS NULL) = (closed_at IS NULL)", name="closed_at"),
        CheckConstraint("closed_by <> asked_by", name="second_person"),
        CheckConstraint(_ADDS_UP, name="adds_up"),
        Index("ix_coupon_month_correlation_id", "correlation_id"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    month: Mapped[date] = mapped_column(primary_key=True)
    status: Mapped[str]
    lines: Mapped[int]
    discount_fen: Mapped[int]
    hq_fen: Mapped[int]
    dealer_fen: Mapped[int]
    supplier_fen: Mapped[int]
    digest: Mapped[str]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    correlation_id: Mapped[str]


class CouponStatement(Base):
    """What one store is owed for a closed month, and the SHA-256 over its lines."""

    __tablename__ = "coupon_statement"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "month"], ["coupon_month.brand_id", "coupon_month.month"]),
        CheckConstraint(_ADDS_UP, name="adds_up"),
        distribution("store_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    month: Mapped[date] = mapped_column(primary_key=True)
    lines: Mapped[int]
    discount_fen: Mapped[int]
    hq_fen: Mapped[int]
    dealer_fen: Mapped[int]
    supplier_fen: Mapped[int]
    digest: Mapped[str]


class CouponStatementLine(Base):
    """A money fact (see facts) in the books of a closed month: of one month only, which its key keeps."""

    __tablename__ = "coupon_statement_line"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "month"], ["coupon_month.brand_id", "coupon_month.month"]),
        CheckConstraint(f"kind IN ({', '.join(repr(kind) for kind in KINDS)})", name="kind"),
        CheckConstraint(_ADDS_UP, name="adds_up"),
        Index("ix_coupon_statement_line_month", "brand_id", "month", "store_id", "at"),
        distribution("store_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    redemption_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date]
    at: Mapped[datetime]
    campaign_id: Mapped[int]
    order_no: Mapped[str]
    supplier: Mapped[str | None]
    discount_fen: Mapped[int]
    hq_fen: Mapped[int]
    dealer_fen: Mapped[int]
    supplier_fen: Mapped[int]
