"""Tables of sales. A walk-in order has no member: its own id stands in the distribution column."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, distribution, tell_after


class SalesOrder(Base):
    """An order, once per (source, order_no). `import_id`: the import that brought it; NULL when it was uploaded live.

    `refunded_fen` is the sum of its refunds. An order is `refunded` when all that was paid went back; before that it is
    `paid`, in part refunded when the sum is above zero.
    """

    __tablename__ = "sales_order"
    __table_args__ = (
        CheckConstraint("total_fen >= 0 AND discount_fen >= 0 AND paid_fen = total_fen - discount_fen", name="adds_up"),
        CheckConstraint("paid_fen >= 0", name="paid"),
        CheckConstraint("channel IN ('till', 'mall')", name="channel"),
        CheckConstraint("status IN ('paid', 'refunded')", name="status"),
        CheckConstraint("refunded_fen BETWEEN 0 AND paid_fen", name="refunded"),
        CheckConstraint("walk_in = (member_id = order_id)", name="walk_in"),
        Index("ix_sales_order_member_paid_at", "brand_id", "member_id", "paid_at"),
        Index("ix_sales_order_paid_at", "brand_id", "paid_at"),
        Index("ix_sales_order_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
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
    refunded_fen: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[str]
    import_id: Mapped[int | None]
    paid_at: Mapped[datetime]
    correlation_id: Mapped[str]
    created_at: Mapped[datetime]
    origin_member_id: Mapped[int | None]


class OrderLine(Base):
    """A line of an order. That its order is there is asked once for all lines of a statement (migration 0024): a
    foreign key asks for each, which took a quarter of the time of an import.
    """

    __tablename__ = "order_line"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("paid_fen = amount_fen - discount_fen AND discount_fen >= 0 AND paid_fen >= 0", name="adds_up"),
        CheckConstraint("refunded_fen BETWEEN 0 AND paid_fen", name="refunded"),
        distribution("member_id", merge="moves", of="sales_order"),
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
    refunded_fen: Mapped[int] = mapped_column(default=0, server_default="0")


tell_after("order_line", "sales_order")


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


class Refund(Base):
    """Money given back for lines of one order, once per (source, refund_no). `import_id` as in the order."""

    __tablename__ = "refund"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "order_id"],
            ["sales_order.brand_id", "sales_order.member_id", "sales_order.order_id"],
        ),
        CheckConstraint("refunded_fen >= 0", name="positive"),
        Index("ix_refund_order_id", "brand_id", "member_id", "order_id"),
        Index("ix_refund_refunded_at", "brand_id", "refunded_at"),
        Index("ix_refund_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    refund_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_id: Mapped[int]
    source: Mapped[str]
    refund_no: Mapped[str]
    refunded_fen: Mapped[int]
    reason: Mapped[str]
    refunded_at: Mapped[datetime]
    import_id: Mapped[int | None]
    correlation_id: Mapped[str]
    created_at: Mapped[datetime]


class RefundLine(Base):
    """What a refund gave back of one line; `quantity` is 0 where only money went back."""

    __tablename__ = "refund_line"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "refund_id"], ["refund.brand_id", "refund.member_id", "refund.refund_id"]
        ),
        CheckConstraint("refunded_fen >= 0 AND quantity >= 0", name="positive"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    refund_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_no: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    quantity: Mapped[int]
    refunded_fen: Mapped[int]


class RefundNumber(Base):
    """Which refund a number of a source means, as OrderNumber is for orders."""

    __tablename__ = "refund_number"
    __table_args__ = (distribution("refund_no"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(primary_key=True)
    refund_no: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[int]
    refund_id: Mapped[int]
    content_hash: Mapped[bytes]
