"""An order's goods or money go back: record it as the till tells it. Coupons, gifts and traits follow the event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import clock
from app.sales import queries as sales
from app.sales.errors import OrderMismatch, OrderUnknown, RefundTooMuch
from app.sales.models import SalesOrder
from app.sales.refunds import BackLine, RefundData, record_refund
from app.sales.rules import CLOCK_SKEW

from .coupon_orders import alone


@dataclass(frozen=True)
class Back:
    """What a till hears: the order as it is now; `new` is False for a refund that was told before."""

    order: SalesOrder
    refunded_fen: int
    new: bool


def order_refunded(
    *,
    brand_id: int,
    store_id: int,
    source: str,
    order_no: str,
    refund_no: str,
    refunded_at: datetime,
    lines: Sequence[BackLine],
    reason: str = "",
) -> Back:
    """Record one refund of an uploaded order in the open transaction, once per (source, refund_no).

    Raises OrderUnknown, OrderMismatch for a moment that cannot be, RefundTooMuch for more goods or money than is left,
    RefundLineUnknown, RefundChanged.
    """
    alone(brand_id, store_id, order_no)
    order = sales.uploaded(brand_id, source, order_no)
    if order is None:
        raise OrderUnknown(order_no=order_no)
    if not order.paid_at - CLOCK_SKEW <= refunded_at <= clock.now() + CLOCK_SKEW:
        raise OrderMismatch("The refund lies before its order, or in the future.", field="refunded_at")
    if not sales.is_refund_known(brand_id, source, refund_no):
        _check_goods(order, lines)
    done = record_refund(
        brand_id=brand_id,
        refund=RefundData(
            source=source,
            refund_no=refund_no,
            member_id=order.member_id,
            order_id=order.order_id,
            refunded_at=refunded_at,
            lines=tuple(lines),
            reason=reason,
        ),
    )
    now = sales.uploaded(brand_id, source, order_no)
    assert now is not None
    return Back(now, sum(line.refunded_fen for line in lines), done.new)


def _check_goods(order: SalesOrder, lines: Sequence[BackLine]) -> None:
    bought = {line.line_no: line.quantity for line in sales.lines(order.brand_id, order.member_id, order.order_id)}
    gone = sales.gone_back(order)
    for line in lines:
        left = bought.get(line.line_no, line.quantity) - gone.get(line.line_no, 0)  # unknown lines are refused later
        if line.quantity > left:
            raise RefundTooMuch(line_no=line.line_no, asked_quantity=line.quantity, left_quantity=left)
