"""Tables of sales. A walk-in order has no member: its own id stands in the distribution column."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, distribution


class SalesOrder(Base):
    __tablename__ = "sales_order"
    __table_args__ = (
        CheckConstraint("total_fen >= 0 AND discount_fen >= 0 AND paid_fen = total_fen - discount_fen", name="adds_up"),
        CheckConstraint("paid_fen >= 0", name="paid"),
        CheckConstraint("channel IN ('till', 'mall')", name="channel"),
        CheckConstraint("status IN ('paid', 'refunded')", name="status"),
        CheckConstraint("walk_in = (member_id = order_id)", name="walk_in"),
        Index("ix_sales_order_member_paid_at", "brand_id", "member_id", "paid_at"),
        Index("ix_sales_order_paid_at", "brand_id", "paid_at"),
        Index("ix_sales_order_correlation_id", "correlation_id"),
        distribution("member_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str]
    order_no: Mapped[str]
    store_id: Mapped[int]
    guide_id: Mapped[int | None]
    channel: Mapped[str]
    walk_in: Mapped[bool]
    total_fen: Mapped[int]
    discount_fen: Mapped[int]
    paid_fen: Mapped[int]
    status: Mapped[str]
    paid_at: Mapped[datetime]
    correlation_id: Mapped[str]
    created_at: Mapped[datetime]


class OrderLine(Base):
    __tablename__ = "order_line"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "order_id"],
            ["sales_order.brand_id", "sales_order.member_id", "sales_order.order_id"],
        ),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("paid_fen = amount_fen - discount_fen AND discount_fen >= 0 AND paid_fen >= 0", name="adds_up"),
        distribution("member_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    sku: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    quantity: Mapped[int]
    unit_fen: Mapped[int]
    amount_fen: Mapped[int]
    discount_fen: Mapped[int]
    paid_fen: Mapped[int]


class OrderNumber(Base):
    """Which order a number of a source means: the natural key, global over members."""

    __tablename__ = "order_number"
    __table_args__ = (distribution("order_no"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(primary_key=True)
    order_no: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[int]
    order_id: Mapped[int]
    content_hash: Mapped[bytes]
