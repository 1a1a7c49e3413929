"""Several coupons on one order: what they take off together, hold them, use them, let them go; and what a till took
while it was offline.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Boolean, Integer, List, Nested, String
from apiflask.validators import Length
from flask import Response, g

from app.core import ids
from app.core.idempotency import once, request_hash
from app.core.transaction import run
from app.coupons import commands as coupons
from app.coupons import wording
from app.coupons.commands.offline import Receipt, ReceiptChanged
from app.coupons.errors import CouponUnknown
from app.flows import coupon_orders
from app.flows.coupon_limits import count_wrong, refuse_guessers

from .auth import idempotency_key, signed
from .checked import Checked, Choice, Many, Text, Whole, answer, described
from .redemptions import (
    SECURITY,
    BasketLine,
    LineDiscount,
    Reason,
    RedeemedCoupon,
    RedemptionOut,
    basket,
    coupon_of,
    lines_of,
    reason_of,
    redemption_of,
    till_at,
    trying,
)
from .shown_codes import ours

blueprint = APIBlueprint("order_coupons", __name__, url_prefix="/api/pos/v1/order-coupons", tag="pos")

MOST = 10  # coupons on one order
MOST_RECEIPTS = 100


class OrderCouponsIn(Schema):
    codes = List(Text(64), required=True, validate=Length(1, MOST))
    order_no = Text(64, required=True)
    store = Text(64, required=True, metadata={"description": "The store's code."})
    channel = Choice("till", "mall", load_default="till")
    lines = Many(BasketLine, 200, required=True)


class LockIn(OrderCouponsIn):
    minutes = Whole(1, 120, load_default=15, metadata={"description": "How long the order holds them unpaid."})


class ReleaseIn(Schema):
    codes = List(Text(64), required=True, validate=Length(1, MOST))
    order_no = Text(64, required=True)
    store = Text(64, required=True)
    channel = Choice("till", "mall", load_default="till", metadata={"description": "As the order holds them."})


class CodeAnswer(Schema):
    code = String()
    usable = Boolean()
    reason = Nested(Reason, allow_none=True)
    position = Integer(metadata={"description": "As which of the order's coupons it takes off, from 1; 0: not at all."})
    discount_fen = Integer()
    lines = List(Nested(LineDiscount))
    coupon = Nested(RedeemedCoupon, allow_none=True)


class OrderCouponsOut(Schema):
    order_no = String()
    discount_fen = Integer()
    currency = String()
    lines = List(Nested(LineDiscount))
    coupons = List(Nested(CodeAnswer), metadata={"description": "In the order of the codes asked."})


class HeldOut(OrderCouponsOut):
    held_until = AwareDateTime(metadata={"description": "Until then they are kept for the order, and can be redeemed."})


class OneRedemptionOut(RedemptionOut):
    """One of the order's."""


class RedeemedOut(OrderCouponsOut):
    redemptions = List(Nested(OneRedemptionOut), metadata={"description": "In the order in which they take off."})


class ReleasedOut(Schema):
    order_no = String()
    released = Integer()


class ReceiptIn(Schema):
    receipt_no = Text(64, required=True, metadata={"description": "The store's own number of this: it counts once."})
    code = Text(64, required=True)
    order_no = Text(64, required=True)
    taken_at = AwareDateTime(required=True, metadata={"description": "By the till's clock."})
    lines = Many(BasketLine, 200, required=True)


class OfflineIn(Schema):
    store = Text(64, required=True)
    receipts = Many(ReceiptIn, MOST_RECEIPTS, required=True)


class ReceiptOut(Schema):
    receipt_no = String()
    outcome = String(metadata={"description": "redeemed, conflict, over or refused."})
    reason = String(metadata={"description": "Why it is no redemption, as a code of errors."})
    words = String(metadata={"description": "The same for the screen, in Chinese."})
    discount_fen = Integer()
    redemption = String(allow_none=True)


class OfflineOut(Schema):
    currency = String()
    receipts = List(Nested(ReceiptOut))


_order_in, _lock_in, _release_in, _offline_in = (Checked(one) for one in (OrderCouponsIn, LockIn, ReleaseIn, OfflineIn))


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    till = till_at(body["store"], body["channel"])
    return {
        "till": till,
        "codes": [ours(till.brand_id, one) for one in body["codes"]],
        "order_no": body["order_no"],
        "lines": basket(body),
    }


def _code(shown: str, one: coupons.Answer) -> dict[str, Any]:
    reason, priced = one.reason, one.priced
    return {
        "code": shown,
        "usable": priced is not None,
        "reason": reason and reason_of(reason),
        "position": one.position,
        "discount_fen": priced.quote.discount_fen if priced else 0,
        "lines": lines_of(priced.quote.lines) if priced else [],
        "coupon": coupon_of(priced.coupon) if priced else None,
    }


def _order(body: dict[str, Any], quote: coupons.OrderQuote) -> dict[str, Any]:
    return {
        "order_no": body["order_no"],
        "discount_fen": quote.discount_fen,
        "currency": "CNY",
        "lines": lines_of(quote.lines),
        "coupons": [_code(*one) for one in zip(body["codes"], quote.answers, strict=True)],
    }


@blueprint.post("/validate")
@signed
@described(blueprint, takes=OrderCouponsIn, gives=OrderCouponsOut)
@blueprint.doc(
    summary="What several coupons would take off an order together", security=SECURITY, responses=[401, 422, 429, 503]
)
def validate() -> Response:
    """Changes nothing. Coupons take off in a fixed order (gifts, thresholds, amounts, percentages, freight; within one
    kind what ends first); each answer says as which one and how much, or why not."""
    body = _order_in.body()
    asked = _asked(body)
    with _trying(asked):
        quote = coupons.quote_order(**asked)
        _count_wrong(asked["till"], sum(isinstance(one.reason, CouponUnknown) for one in quote.answers))
    return answer(_order(body, quote))


@blueprint.post("/lock")
@signed
@described(blueprint, takes=LockIn, gives=HeldOut)
@blueprint.doc(summary="Hold coupons for an unpaid order", security=SECURITY, responses=[401, 404, 409, 422, 429, 503])
def lock() -> Response:
    """All of them or none. The same order may do so again to hold them longer; after `minutes`, or when the first of
    them ends, others may take them. Until then the order redeems them by the codes that were shown for it, old as they
    may be, also when the hours in which they may be used are over."""
    body = _lock_in.body()
    asked = _asked(body)
    with _trying(asked):
        quote = run(lambda: coupons.lock_order(**asked, minutes=body["minutes"]))
    return answer(_order(body, quote) | {"held_until": quote.held_until and quote.held_until.isoformat()})


@blueprint.post("/redeem")
@signed
@described(blueprint, takes=OrderCouponsIn, gives=RedeemedOut)
@blueprint.doc(
    summary="Redeem several coupons for an order, once", security=SECURITY, responses=[401, 404, 409, 422, 429, 503]
)
def redeem() -> Response:
    """All of them or none. Needs an Idempotency-Key: the same key and body get the same answer, another body 409."""
    key, body = idempotency_key(), _order_in.body()
    asked = _asked(body)

    def work() -> dict[str, Any]:
        quote, done = coupons.redeem_order(**asked)
        return _order(body, quote) | {"redemptions": [redemption_of(body["store"], one) for one in done]}

    digest = request_hash("order_coupons.redeem", body)
    with _trying(asked):
        return answer(run(lambda: once(scope=g.client.key_scope, key=key, digest=digest, work=work)))


@blueprint.post("/release")
@signed
@described(blueprint, takes=ReleaseIn, gives=ReleasedOut)
@blueprint.doc(summary="Let go what an order holds", security=SECURITY, responses=[401, 404, 409, 422, 429, 503])
def release() -> Response:
    """The order was cancelled or not paid. 409 `not_held` when it holds none of them (any more)."""
    body = _release_in.body()
    till = till_at(body["store"], body["channel"])
    codes = [ours(till.brand_id, one) for one in body["codes"]]
    with trying(till, codes):
        released = run(lambda: coupons.release_order(till=till, codes=codes, order_no=body["order_no"]))
    return answer({"order_no": body["order_no"], "released": released})


@blueprint.post("/offline")
@signed
@described(blueprint, takes=OfflineIn, gives=OfflineOut)
@blueprint.doc(summary="Tell what was taken while offline", security=SECURITY, responses=[401, 404, 422, 429, 503])
def offline() -> Response:
    """Each receipt by itself, in the order told, and each once by its number: to send a batch again is safe.

    What was recorded first wins. A coupon used by others before is a `conflict`, charged to the store's offline quota
    of the month; beyond it `over`. `refused`: the code never was good for this, the receipt is older than 7 days, or
    its number was told before with other contents (`receipt_changed`; what was recorded then stays)."""
    body = _offline_in.body()
    till = till_at(body["store"], "till")
    return answer({"currency": "CNY", "receipts": [_taken(till, one) for one in body["receipts"]]})


def _taken(till: coupons.Till, body: dict[str, Any]) -> dict[str, Any]:
    """One receipt; a wrong code is counted. What was recorded before the limit is met stays, and may be sent again."""
    refuse_guessers(store_id=till.store_id, caller=f"till:{till.api_client_id}")
    receipt = _receipt(till, body)
    try:
        told = run(lambda: coupon_orders.take_receipt(till=till, receipt=receipt))
    except ReceiptChanged as refused:
        return _outcome(receipt.receipt_no, "refused", refused.code)
    row = told.row
    _count_wrong(till, int(told.new and row.reason == CouponUnknown.code))
    return _outcome(row.receipt_no, row.outcome, row.reason, row.discount_fen, row.redemption_id)


def _trying(asked: dict[str, Any]) -> AbstractContextManager[None]:
    """As for a single coupon; of several codes the first wrong one is what is answered, and what is counted."""
    return trying(asked["till"], asked["codes"])


def _count_wrong(till: coupons.Till, times: int) -> None:
    if times:
        caller = f"till:{till.api_client_id}"
        count_wrong(brand_id=till.brand_id, store_id=till.store_id, caller=caller, times=times)


def _receipt(till: coupons.Till, body: dict[str, Any]) -> Receipt:
    plain = {**body, "taken_at": body["taken_at"].isoformat()}
    return Receipt(
        body["receipt_no"],
        ours(till.brand_id, body["code"]),
        body["order_no"],
        basket(body),
        body["taken_at"],
        hashlib.sha256(repr(sorted(plain.items())).encode()).digest(),
    )


def _outcome(
    receipt_no: str, outcome: str, reason: str, discount_fen: int = 0, redemption_id: int | None = None
) -> dict[str, Any]:
    return {
        "receipt_no": receipt_no,
        "outcome": outcome,
        "reason": reason,
        "words": wording.words_of(reason) if reason else "",
        "discount_fen": discount_fen,
        "redemption": redemption_id and ids.encode("rdm", redemption_id),
    }
