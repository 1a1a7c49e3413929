"""The channel of WeChat Pay's product coupons (商品券): our words for its states, times and refusals.

A coupon there must be confirmed by us before it can be used, whoever gave it out. Merchant coupons (商家券), the
product before it, are closed to new merchants since 2025-12-15 and have no adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from app.core import clock
from app.coupons.rules import window
from app.coupons.twins import rules
from app.coupons.twins.errors import ChannelRefused
from app.coupons.twins.port import Capabilities, StockRef, StockState, StockWish, TwinRef
from app.coupons.twins.rules import Fact
from app.wechat.errors import Rejected
from app.wechat.pay.product_coupons import Named, NewStock, ProductCoupons, Stock, UserCoupon

T = TypeVar("T")

NO_END = timedelta(days=365)  # of coupons whose campaign names no last day; WeChat Pay wants one
CAPABILITIES = Capabilities(frozenset(("amount", "threshold", "percent")), stocks=True, own_codes=True, hands_out=True)


class ProductCouponChannel:
    name = rules.PRODUCT
    capabilities = CAPABILITIES

    def __init__(self, gateway: ProductCoupons) -> None:
        self._gateway = gateway

    def create_stock(self, wish: StockWish) -> StockState:
        return _stock(_asked(lambda: self._gateway.create(_new_stock(wish))))

    def stock(self, ref: StockRef) -> StockState:
        return _stock(_asked(lambda: self._gateway.stock(*ref)))

    def resize_stock(self, ref: StockRef, *, most_now: int, most: int, request_no: str) -> StockState:
        return _stock(_asked(lambda: self._gateway.resize(*ref, most_now=most_now, most=most, request_no=request_no)))

    def end_stock(self, ref: StockRef, *, reason: str, request_no: str) -> StockState:
        return _stock(_asked(lambda: self._gateway.end_stock(*ref, reason=reason, request_no=request_no)))

    def issue(self, twin: TwinRef, *, request_no: str) -> Fact:
        return fact(
            _asked(
                lambda: self._gateway.send(
                    product_id=twin.stock.product_id,
                    stock_id=twin.stock.stock_id,
                    appid=twin.appid,
                    openid=twin.openid,
                    code=twin.code if twin.own_codes else None,
                    request_no=request_no,
                )
            )
        )

    def confirm(self, twin: TwinRef, *, request_no: str) -> Fact:
        return fact(_asked(lambda: self._gateway.confirm(_named(twin), request_no=request_no)))

    def use(self, twin: TwinRef, *, at: datetime, order_no: str, request_no: str) -> Fact:
        named = _named(twin)
        return fact(_asked(lambda: self._gateway.use(named, at=at, order_no=order_no, request_no=request_no)))

    def give_back(self, twin: TwinRef, *, request_no: str) -> Fact:
        return fact(_asked(lambda: self._gateway.give_back(_named(twin), request_no=request_no)))

    def deactivate(self, twin: TwinRef, *, reason: str, request_no: str) -> Fact:
        return fact(_asked(lambda: self._gateway.deactivate(_named(twin), reason=reason, request_no=request_no)))

    def look(self, twin: TwinRef) -> Fact:
        return fact(_asked(lambda: self._gateway.look(_named(twin))))

    def unconfirmed(self, stock: StockRef, *, appid: str, openid: str) -> list[Fact]:
        found = _asked(lambda: self._gateway.unconfirmed(appid=appid, openid=openid, stock_id=stock.stock_id))
        return [fact(one) for one in found]


def fact(coupon: UserCoupon) -> Fact:
    """What an answer says, at the newest moment it names. A deleted coupon names none: it is so since now, at most.

    A use without the number of its request is known by its second, so that it is a use like any other.
    """
    state = coupon.state.lower()
    times = (coupon.received, coupon.confirmed, coupon.used, coupon.returned, coupon.deactivated)
    at = max((one for one in times if one is not None), default=clock.now())
    rank = {"confirming": rules.SENT, "pending": rules.CONFIRMED, "effective": rules.CONFIRMED + 1, "used": rules.USED}
    if state in rank and not (state in rules.GOOD and coupon.returned is not None):
        order = rank[state]
    elif state in rules.GOOD:
        order = rules.RETURNED
    else:
        order = rules.OVER
        if state == "expired" and coupon.valid_to is not None:
            at = max(at, coupon.valid_to)
        elif state == "deleted":
            at = clock.now()
    use = coupon.use_request_no or (f"unnamed-{int(at.timestamp())}" if state == "used" else None)
    return Fact(state, at, order, coupon.code, use, coupon.order_no, coupon.send_request_no)


def _asked(call: Callable[[], T]) -> T:
    try:
        return call()
    except Rejected as error:
        raise ChannelRefused(error.message, reason=error.reason) from None


def _stock(found: Stock) -> StockState:
    return StockState(StockRef(found.product_id, found.stock_id), found.state.lower(), found.most)


def _named(twin: TwinRef) -> Named:
    code = twin.external_code or twin.code
    return Named(twin.stock.product_id, twin.stock.stock_id, twin.appid, twin.openid, code)


def _new_stock(wish: StockWish) -> NewStock:
    terms = wish.terms
    valid = window(terms, wish.now)
    begins = terms.starts_at or wish.now
    ends = terms.ends_at or (valid[1] if valid and terms.valid_days is None else begins + NO_END)
    percent = terms.kind == "percent"
    return NewStock(
        request_no=wish.request_no,
        product_no=wish.campaign_code,
        name=wish.name,
        image_url=wish.image_url,
        description=f"{wish.name}：{wish.offer}",
        appid=wish.appid,
        threshold_fen=terms.threshold_fen,
        amount_fen=None if percent else terms.amount_fen,
        percent_off=terms.percent_bp // 100 if percent else None,
        most=wish.most,
        most_per_user=terms.per_member,
        begins=begins,
        ends=ends,
        days=terms.valid_days,
        wait_days=terms.wait_days,
        codes_ours=wish.own_codes,
    )
