"""When goods of an order go back, so does what its coupons had taken off them."""

from __future__ import annotations

from app.core import log
from app.coupons import commands as coupons
from app.coupons.errors import RedemptionReturned, RefundChanged, RefundTooLarge
from app.coupons.queries.orders import live_on_order
from app.sales import queries as sales
from app.sales.events import OrderRefunded


def on_refund(event: OrderRefunded) -> None:
    """Give back the shares of the refunded lines, under the refund's own number: a till that told the coupon's refund
    itself, with that number, is not counted twice. What it told otherwise stands.
    """
    told = sales.refund_told(event.brand_id, event.refund_id)
    if told is None:
        return
    for redemption_id in live_on_order(event.brand_id, told.order_no, told.store_id):
        try:
            coupons.refund(
                brand_id=event.brand_id,
                redemption_id=redemption_id,
                refund_no=told.refund_no,
                lines=told.lines,
            )
        except (RedemptionReturned, RefundChanged, RefundTooLarge) as refused:
            log.get("coupons").warning("refund not followed", redemption_id=redemption_id, code=refused.code)
