"""Coupons at the till: what one would take off, redeem it, give it back."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Boolean, Integer, List, Nested, String
from flask import Response, g

from app.core import ids
from app.core.errors import Invalid, NotFound, SiyuError
from app.core.idempotency import once, request_hash
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons import queries
from app.coupons.errors import RedemptionUnknown
from app.coupons.rules import Line

from .auth import idempotency_key, signed
from .checked import Checked, Many, Text, Whole, answer, described
from .shown_codes import known

blueprint = APIBlueprint("redemptions", __name__, url_prefix="/api/pos/v1/redemptions", tag="pos")

SOURCE = "till"
SECURITY = "SiyuKey"


class LineNumberTwice(Invalid):
    code, message = "line_number_twice", "Two lines of the order have the same number."


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
    data = String()


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


_redemption_in = Checked(RedemptionIn)


def _basket(body: dict[str, Any]) -> list[Line]:
    lines = [
        Line(line["line_no"], line["sku"], line.get("category", ""), line["quantity"], line["amount_fen"])
        for line in body["lines"]
    ]
    if len({line.line_no for line in lines}) != len(lines):
        raise LineNumberTwice()
    return lines


def _till(store_code: str) -> coupons.Till:
    store = g.client.check_store(store_code)
    return coupons.Till(g.client.brand_id, store.store_id, store.dealer_id is not None, SOURCE, g.client.client_id)


def _lines(lines: Any) -> list[dict[str, int]]:
    return [{"line_no": line_no, "discount_fen": fen} for line_no, fen in lines]


def _coupon(coupon: Any) -> dict[str, str]:
    return {
        "id": ids.encode("cpn", coupon.coupon_id),
        "campaign": ids.encode("cmp", coupon.campaign_id),
        "name": coupon.name,
        "kind": coupon.kind,
    }


@blueprint.post("/validate")
@signed
@described(blueprint, takes=RedemptionIn, gives=QuoteOut)
@blueprint.doc(summary="What a coupon would take off an order", security=SECURITY, responses=[401, 404, 422])
def validate() -> Response:
    """Changes nothing. A coupon that cannot be used answers `usable: false` with the reason a redemption would give;
    a code that is nobody's answers 404."""
    body = _redemption_in.body()
    lines, till = _basket(body), _till(body["store"])
    try:
        priced = known(
            till.brand_id,
            body["code"],
            lambda code: coupons.price(till=till, code=code, order_no=body["order_no"], lines=lines),
        )
    except NotFound:
        raise
    except SiyuError as refusal:
        reason = {"code": refusal.code, "message": refusal.message, "data": refusal.data}
        return answer(
            {"usable": False, "reason": reason, "discount_fen": 0, "currency": "CNY", "lines": [], "coupon": None}
        )
    return answer(
        {
            "usable": True,
            "reason": None,
            "discount_fen": priced.quote.discount_fen,
            "currency": "CNY",
            "lines": _lines(priced.quote.lines),
            "coupon": _coupon(priced.coupon),
        }
    )


@blueprint.post("")
@signed
@described(blueprint, takes=RedemptionIn, gives=RedemptionOut)
@blueprint.doc(summary="Redeem a coupon for an order, once", security=SECURITY, responses=[401, 404, 409, 422])
def redeem() -> Response:
    """Needs an Idempotency-Key: the same key and body get the same answer, another body 409."""
    key, body = idempotency_key(), _redemption_in.body()
    lines, till = _basket(body), _till(body["store"])
    once_by = coupons.Key(g.client.key_scope, key, request_hash("redemptions.redeem", body))
    done = known(
        till.brand_id,
        body["code"],
        lambda code: coupons.redeem(till=till, key=once_by, code=code, order_no=body["order_no"], lines=lines),
    )
    return answer(
        {
            "redemption": ids.encode("rdm", done.redemption_id),
            "order_no": done.order_no,
            "store": body["store"],
            "member": ids.encode("mbr", done.member_id),
            "discount_fen": done.discount_fen,
            "currency": "CNY",
            "lines": _lines(done.lines),
            "coupon": _coupon(done),
            "redeemed_at": done.redeemed_at,
        }
    )


@blueprint.post("/<redemption>/return")
@signed
@described(blueprint, gives=ReturnOut)
@blueprint.doc(summary="Give a redemption back", security=SECURITY, responses=[401, 404, 409, 422])
def give_back(redemption: str) -> Response:
    """The order was cancelled: the coupon may be used again while it is valid. Needs an Idempotency-Key."""
    key, redemption_id = idempotency_key(), ids.decode("rdm", redemption)

    def work() -> dict[str, Any]:
        if not g.client.reaches(queries.redemption(g.client.brand_id, redemption_id).store_id):
            raise RedemptionUnknown()
        row = coupons.give_back(brand_id=g.client.brand_id, redemption_id=redemption_id)
        assert row.returned_at is not None
        return {
            "redemption": redemption,
            "discount_fen": row.discount_fen,
            "currency": "CNY",
            "returned_at": row.returned_at.isoformat(),
        }

    with transaction():
        done = once(scope=g.client.key_scope, key=key, digest=request_hash("redemptions.return", redemption), work=work)
    return answer(done)
