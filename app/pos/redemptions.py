"""Coupons at the till: what one would take off, redeem it, give it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Boolean, Dict, Integer, List, Nested, String
from flask import Response, g

from app.core import ids
from app.core.errors import NotFound, Retryable, SiyuError
from app.core.idempotency import once, request_hash
from app.core.transaction import run
from app.coupons import commands as coupons
from app.coupons import queries, wording
from app.coupons.errors import RedemptionUnknown
from app.coupons.rules import Line
from app.flows import coupon_orders
from app.flows.coupon_limits import trying_codes
from app.sales.errors import LineNumberTwice

from .auth import idempotency_key, signed
from .checked import Checked, Choice, Many, Text, Whole, answer, described
from .shown_codes import known

blueprint = APIBlueprint("redemptions", __name__, url_prefix="/api/pos/v1/redemptions", tag="pos")

SECURITY = "SiyuKey"


class BasketLine(Schema):
    line_no = Whole(1, 9999, required=True)
    sku = Text(64, required=True)
    category = Text(64, shortest=0, load_default="", metadata={"description": "`shipping` marks freight."})
    quantity = Whole(1, 9999, required=True)
    amount_fen = Whole(
        0, 1_000_000_000, required=True, metadata={"description": "What the line costs before the coupon."}
    )


class RedemptionIn(Schema):
    code = Text(64, required=True, metadata={"description": "The rotating code scanned, or the coupon's own code."})
    order_no = Text(64, required=True)
    store = Text(64, required=True, metadata={"description": "The store's code."})
    lines = Many(BasketLine, 200, required=True)
    channel = Choice("till", "mall", load_default="till")
    paid_at = AwareDateTime(load_default=None, metadata={"description": "By the till's clock; ours is what counts."})


class LineDiscount(Schema):
    line_no = Integer()
    discount_fen = Integer()


class RedeemedCoupon(Schema):
    id = String(metadata={"description": "cpn_..."})
    campaign = String(metadata={"description": "cmp_..."})
    name = String()
    kind = String()


class Reason(Schema):
    code = String()
    message = String()
    words = String(metadata={"description": "For the screen, in Chinese."})
    data = Dict()


class QuoteOut(Schema):
    usable = Boolean()
    reason = Nested(Reason, allow_none=True)
    discount_fen = Integer()
    currency = String()
    lines = List(Nested(LineDiscount))
    coupon = Nested(RedeemedCoupon, allow_none=True)


class RedemptionOut(Schema):
    redemption = String(metadata={"description": "rdm_..."})
    order_no = String()
    store = String()
    member = String(metadata={"description": "mbr_..."})
    discount_fen = Integer()
    currency = String()
    lines = List(Nested(LineDiscount))
    coupon = Nested(RedeemedCoupon)
    redeemed_at = String()


class ReturnOut(Schema):
    redemption = String()
    discount_fen = Integer()
    currency = String()
    returned_at = String()


class RefundLine(Schema):
    line_no = Whole(1, 9999, required=True)
    quantity = Whole(1, 9999, required=True)


class RefundIn(Schema):
    refund_no = Text(64, required=True)
    lines = Many(RefundLine, 200, required=True)


class RefundOut(Schema):
    redemption = String()
    refund_no = String()
    discount_fen = Integer(metadata={"description": "What no longer is taken off, because of this refund."})
    left_fen = Integer(metadata={"description": "What still is taken off."})
    currency = String()
    lines = List(Nested(LineDiscount))
    ended = Boolean()


_redemption_in, _refund_in = Checked(RedemptionIn), Checked(RefundIn)


def basket(body: dict[str, Any]) -> list[Line]:
    lines = [
        Line(line["line_no"], line["sku"], line.get("category", ""), line["quantity"], line["amount_fen"])
        for line in body["lines"]
    ]
    if len({line.line_no for line in lines}) != len(lines):
        raise LineNumberTwice()
    return lines


def till_at(store_code: str, channel: str) -> coupons.Till:
    """The caller in one of its stores; StoreUnknown."""
    store, client = g.client.check_store(store_code), g.client
    return coupons.Till(
        client.brand_id, store.store_id, store.dealer_id, store.region_id, channel, channel, client.client_id
    )


@contextmanager
def trying(till: coupons.Till, shown: Sequence[str]) -> Iterator[None]:
    """Too many wrong codes of a key or in a store are refused before another one is looked at. What is refused in the
    block says why in words, too.
    """
    caller = f"till:{till.api_client_id}"
    with wording.added(), trying_codes(brand_id=till.brand_id, store_id=till.store_id, caller=caller, shown=shown):
        yield


def reason_of(refusal: SiyuError) -> dict[str, Any]:
    """Why a coupon cannot be used, for programs and for people."""
    data = {name: value for name, value in refusal.data.items() if name != "words"}
    return {"code": refusal.code, "message": refusal.message, "words": wording.refusal(refusal), "data": data}


def lines_of(lines: Any) -> list[dict[str, int]]:
    return [{"line_no": line_no, "discount_fen": fen} for line_no, fen in lines]


def coupon_of(coupon: Any) -> dict[str, str]:
    return {
        "id": ids.encode("cpn", coupon.coupon_id),
        "campaign": ids.encode("cmp", coupon.campaign_id),
        "name": coupon.name,
        "kind": coupon.kind,
    }


def redemption_of(store: str, done: coupons.Redemption) -> dict[str, Any]:
    return {
        "redemption": ids.encode("rdm", done.redemption_id),
        "order_no": done.order_no,
        "store": store,
        "member": ids.encode("mbr", done.member_id),
        "discount_fen": done.discount_fen,
        "currency": "CNY",
        "lines": lines_of(done.lines),
        "coupon": coupon_of(done),
        "redeemed_at": done.redeemed_at,
    }


@blueprint.post("/validate")
@signed
@described(blueprint, takes=RedemptionIn, gives=QuoteOut)
@blueprint.doc(summary="What a coupon would take off an order", security=SECURITY, responses=[401, 404, 422, 429, 503])
def validate() -> Response:
    """Changes nothing. A coupon that cannot be used answers `usable: false` with the reason a redemption would give;
    a code that is nobody's answers 404, and 429 when there were many of them."""
    body = _redemption_in.body()
    lines, till = basket(body), till_at(body["store"], body.get("channel", "till"))
    try:
        with trying(till, [body["code"]]):
            priced = known(
                till.brand_id,
                body["code"],
                lambda code: coupons.price(till=till, code=code, order_no=body["order_no"], lines=lines),
            )
    except (NotFound, Retryable):
        raise
    except SiyuError as refusal:
        return answer(
            {
                "usable": False,
                "reason": reason_of(refusal),
                "discount_fen": 0,
                "currency": "CNY",
                "lines": [],
                "coupon": None,
            }
        )
    return answer(
        {
            "usable": True,
            "reason": None,
            "discount_fen": priced.quote.discount_fen,
            "currency": "CNY",
            "lines": lines_of(priced.quote.lines),
            "coupon": coupon_of(priced.coupon),
        }
    )


@blueprint.post("")
@signed
@described(blueprint, takes=RedemptionIn, gives=RedemptionOut)
@blueprint.doc(
    summary="Redeem a coupon for an order, once", security=SECURITY, responses=[401, 404, 409, 422, 429, 503]
)
def redeem() -> Response:
    """Needs an Idempotency-Key: the same key and body get the same answer, another body 409.

    Many wrong codes answer 429 with Retry-After, for the key and for the store."""
    key, body = idempotency_key(), _redemption_in.body()
    lines, till = basket(body), till_at(body["store"], body.get("channel", "till"))
    once_by = coupons.Key(g.client.key_scope, key, request_hash("redemptions.redeem", body))
    with trying(till, [body["code"]]):
        done = known(
            till.brand_id,
            body["code"],
            lambda code: coupons.redeem(till=till, key=once_by, code=code, order_no=body["order_no"], lines=lines),
        )
    return answer(redemption_of(body["store"], done))


@blueprint.post("/<redemption>/return")
@signed
@described(blueprint, gives=ReturnOut)
@blueprint.doc(summary="Give a redemption back", security=SECURITY, responses=[401, 404, 409, 422, 503])
def give_back(redemption: str) -> Response:
    """The order was cancelled: the coupon may be used again while it is valid. 409 `order_uploaded` for one that was
    uploaded and stands: it is refunded instead. Needs an Idempotency-Key."""
    key, redemption_id = idempotency_key(), ids.decode("rdm", redemption)

    def work() -> dict[str, Any]:
        check_reach(redemption_id)
        row = coupon_orders.cancel(brand_id=g.client.brand_id, redemption_id=redemption_id)
        assert row.returned_at is not None
        return {
            "redemption": redemption,
            "discount_fen": row.discount_fen,
            "currency": "CNY",
            "returned_at": row.returned_at.isoformat(),
        }

    digest = request_hash("redemptions.return", redemption)
    return answer(run(lambda: once(scope=g.client.key_scope, key=key, digest=digest, work=work)))


@blueprint.post("/<redemption>/refunds")
@signed
@described(blueprint, takes=RefundIn, gives=RefundOut)
@blueprint.doc(summary="Give back the shares of refunded lines", security=SECURITY, responses=[401, 404, 409, 422, 503])
def refund(redemption: str) -> Response:
    """What a coupon took off the lines that come back. `refund_no` is what makes it happen once: the same again gets
    the same answer, with other lines 409. Lines the coupon took nothing off are passed over. When everything has come
    back, `ended`, the coupon can be used again if its terms say so."""
    redemption_id, body = ids.decode("rdm", redemption), _refund_in.body()
    lines = [(line["line_no"], line["quantity"]) for line in body["lines"]]
    if len({line_no for line_no, _ in lines}) != len(lines):
        raise LineNumberTwice()

    def work() -> dict[str, Any]:
        check_reach(redemption_id)
        done = coupons.refund(
            brand_id=g.client.brand_id, redemption_id=redemption_id, refund_no=body["refund_no"], lines=lines
        )
        return {
            "redemption": redemption,
            "refund_no": body["refund_no"],
            "discount_fen": done.fen,
            "left_fen": done.redemption.discount_fen - done.redemption.refunded_fen,
            "currency": "CNY",
            "lines": lines_of((line.line_no, line.fen) for line in done.lines),
            "ended": done.redemption.returned_at is not None,
        }

    return answer(run(work))


def check_reach(redemption_id: int) -> None:
    """RedemptionUnknown for what was redeemed where the caller's key does not reach."""
    if not g.client.reaches(queries.redemption(g.client.brand_id, redemption_id).store_id):
        raise RedemptionUnknown()
