"""Coupons and the orders they were used on: cancelled, refunded, told late."""

from __future__ import annotations

from datetime import timedelta

from app.core.locks import lock_name
from app.coupons import commands as coupons
from app.coupons import queries
from app.coupons.commands.offline import Told
from app.coupons.errors import OrderUploaded
from app.coupons.models import Redemption
from app.coupons.queries.orders import channel_of, live_on_order
from app.sales import queries as sales
from app.sales.events import OrderRefunded
from app.sales.models import SalesOrder

_APART = timedelta(days=1)  # an order may have been paid so long before its coupon was used, by the till's clock


def on_refund(event: OrderRefunded) -> None:
    """Bring the order's coupons up to what has gone back of its goods. A till that told the refund of a coupon itself,
    in whole or in part and under whatever number, is not counted twice.
    """
    found = sales.refunded(event.brand_id, event.refund_id)
    if found is None:
        return
    order, refund_no = found
    _alone(order.brand_id, order.store_id, order.order_no)
    now = _now(order)
    for redemption_id in live_on_order(order.brand_id, order.order_no, order.store_id, order.channel):
        coupons.follow(brand_id=order.brand_id, redemption_id=redemption_id, refund_no=refund_no, order=now)


def cancel(*, brand_id: int, redemption_id: int) -> Redemption:
    """Give a coupon back, in the open transaction, whose order came to nothing. Raises OrderUploaded when that stands
    with its discount: it has to be refunded. RedemptionUnknown, RedemptionReturned.
    """
    row = coupons.give_back(brand_id=brand_id, redemption_id=redemption_id)  # held: no order comes in with it now
    order = _order_of(row)
    if order is not None and order.status == "paid":
        raise OrderUploaded()
    return row


def take_receipt(*, till: coupons.Till, receipt: coupons.Receipt) -> Told:
    """Record what a till took while it was offline (see coupons.take_receipt). Goods of its order that went back before
    the receipt was told are given back at once.
    """
    _alone(till.brand_id, till.store_id, receipt.order_no)
    told = coupons.take_receipt(till=till, receipt=receipt)
    if told.new and told.row.redemption_id is not None:
        row = queries.redemption(till.brand_id, told.row.redemption_id)
        order = _order_of(row)
        if order is not None:
            coupons.follow(
                brand_id=till.brand_id,
                redemption_id=row.redemption_id,
                refund_no=f"late-{receipt.receipt_no}",
                order=_now(order),
            )
    return told


def _alone(brand_id: int, store_id: int, order_no: str) -> None:
    """A late receipt and a refund of one order come one after the other: the second one sees what the first did."""
    lock_name(f"order-coupons:{brand_id}:{store_id}:{order_no}")


def _now(order: SalesOrder) -> coupons.OrderNow:
    lines = sales.lines(order.brand_id, order.member_id, order.order_id)
    bought = {line.line_no: (line.quantity, line.discount_fen) for line in lines}
    return coupons.OrderNow(bought, sales.gone_back(order), order.status == "refunded")


def _order_of(row: Redemption) -> SalesOrder | None:
    return sales.member_order(
        row.brand_id,
        row.member_id,
        store_id=row.store_id,
        channel=channel_of(row.source),
        order_no=row.order_no,
        since=row.redeemed_at - _APART,
    )
