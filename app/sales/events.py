"""Events of sales."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class OrderPaid(Event):
    """An order was recorded for the first time. `member_id` is None for a walk-in; money in fen."""

    name = "sales.order_paid"

    order_id: int
    order_no: str
    store_id: int
    guide_id: int | None
    paid_fen: int


@dataclass(frozen=True, kw_only=True)
class OrderRefunded(Event):
    """Money of an order went back, now and not in imported history. `member_id` is None for a walk-in; fen.

    `refunded_fen` is this refund, `left_fen` what the order still stands for.
    """

    name = "sales.order_refunded"

    order_id: int
    refund_id: int
    refunded_fen: int
    left_fen: int
