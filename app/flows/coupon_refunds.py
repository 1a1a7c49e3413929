"""When goods of an order go back, so does what its coupons had taken off them."""

from __future__ import annotations

from app.coupons import commands as coupons
from app.coupons.queries.orders import live_on_order
from app.sales import queries as sales
from app.sales.events import OrderRefunded


def on_refund(event: OrderRefunded) -> None:
    """Bring the order's coupons up to what has gone back of its goods. A till that told the refund of a coupon itself,
    in whole or in part and under whatever number, is not counted twice.
    """
    gone = sales.gone_back(event.brand_id, event.refund_id)
    if gone is None:
        return
    for redemption_id in live_on_order(event.brand_id, gone.order_no, gone.store_id, gone.channel):
        coupons.follow(
            brand_id=event.brand_id,
            redemption_id=redemption_id,
            refund_no=gone.refund_no,
            gone=gone.quantities,
        )
