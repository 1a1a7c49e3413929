"""Coupons and the orders they were used on: cancelled, refunded, told late."""

from __future__ import annotations

from datetime import timedelta

from app.core.errors import Busy
from app.core.locks import lock_name
from app.coupons import commands as coupons
from app.coupons import queries
from app.coupons.commands.offline import Told
from app.coupons.errors import OrderUploaded
from app.coupons.models import Redemption
from app.coupons.queries.orders import live_on_order
from app.coupons.rules import channel_of
from app.members import family
from app.org import queries as org
from app.sales import queries as sales
from app.sales.events import OrderRefunded
from app.sales.models import SalesOrder
from app.sales.rules import source_of

_APART = timedelta(days=1)  # an order may have been paid so long before its coupon was used, by the till's clock


def on_refund(event: OrderRefunded) -> None:
    """Bring the order's coupons up to what has gone back of its goods. A till that told the refund of a coupon itself,
    in whole or in part and under whatever number, is not counted twice.
    """
    found = sales.refunded(event.brand_id, event.refund_id)
    if found is None:
        return
    alone(event.brand_id, found[0].store_id, found[0].order_no)
    if not found[0].walk_in:  # no merge moves the order from here on
        family.keep(brand_id=event.brand_id, member_id=found[0].member_id)
        found = sales.refunded(event.brand_id, event.refund_id) or found
    order, refund_no = found
    now = _now(order)
    for redemption_id in live_on_order(order.brand_id, order.order_no, order.store_id, order.channel):
        coupons.follow(brand_id=order.brand_id, redemption_id=redemption_id, refund_no=refund_no, order=now)


def cancel(*, brand_id: int, redemption_id: int) -> Redemption:
    """Give a coupon back, in the open transaction, whose order came to nothing. Raises OrderUploaded when that stands
    with its discount: it has to be refunded. RedemptionUnknown, RedemptionReturned.
    """
    found = queries.redemption(brand_id, redemption_id)
    alone(brand_id, found.store_id, found.order_no)
    row = coupons.give_back(brand_id=brand_id, redemption_id=redemption_id)
    order = _order_of(row)
    if order is not None and order.status == "paid":
        raise OrderUploaded()
    return row


def take_receipt(*, till: coupons.Till, receipt: coupons.Receipt) -> Told:
    """Record what a till took while it was offline (see coupons.take_receipt). Goods of its order that went back before
    the receipt was told are given back at once.
    """
    alone(till.brand_id, till.store_id, receipt.order_no)
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


def alone(brand_id: int, store_id: int, order_no: str) -> None:
    """An order's upload and refunds, and what cancels or tells its coupons late, come one after the other until the
    transaction ends: each sees what those before it did. Held before members and rows.
    """
    lock_name(f"order-coupons:{brand_id}:{store_id}:{order_no}")


def _now(order: SalesOrder) -> coupons.OrderNow:
    lines = sales.lines(order.brand_id, order.member_id, order.order_id)
    if not lines:
        raise Busy(retry_after=0.2)  # a merge of its member has just moved it
    bought = {line.line_no: (line.quantity, line.discount_fen) for line in lines}
    gone = sales.gone_back(order)
    # An order that was paid with coupons alone has no money to give back: it is over when its goods are back.
    over = order.status == "refunded" or all(gone.get(line.line_no, 0) >= line.quantity for line in lines)
    return coupons.OrderNow(bought, gone, over)


def _order_of(row: Redemption) -> SalesOrder | None:
    """The order as its till or mall uploaded it, whoever's it is (a walk-in's, or another's after a split), else the
    one that was imported for the coupon's member.
    """
    channel = channel_of(row.source)
    store = org.store(row.brand_id, row.store_id)
    told = sales.uploaded(row.brand_id, source_of(channel, store.code), row.order_no) if store is not None else None
    since = row.redeemed_at - _APART
    if told is not None and told.paid_at >= since:  # numbers begin anew: an older one is another order
        return told
    return sales.member_order(
        row.brand_id,
        row.member_id,
        store_id=row.store_id,
        channel=channel,
        order_no=row.order_no,
        since=since,
    )
