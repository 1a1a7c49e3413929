"""Before paying: which of a member's coupons fit the order in the cart, what each takes off, why others do not."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, Range

from app.core import clock, ids
from app.core.errors import NotFound
from app.coupons import queries as coupons
from app.coupons import rules, usable
from app.org import queries as org
from app.sales.errors import LineNumberTwice

from . import auth
from .cards import CardOut, card_view

bp = APIBlueprint("miniapp_basket", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)

MALL = "mall"
ASKED = 200  # so many of a member's coupons are looked at for one order


class StoreUnknown(NotFound):
    code, message = "store_unknown", "There is no such store."


class BasketLine(Schema):
    line_no = fields.Integer(required=True, strict=True, validate=Range(1, 9999))
    sku = fields.String(required=True, validate=Length(1, 64))
    category = fields.String(
        load_default="", validate=Length(max=64), metadata={"description": "`shipping` marks freight."}
    )
    quantity = fields.Integer(required=True, strict=True, validate=Range(1, 9999))
    amount_fen = fields.Integer(
        required=True,
        strict=True,
        validate=Range(0, 1_000_000_000),
        metadata={"description": "What the line costs before the coupon."},
    )


class BasketIn(Schema):
    store = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(1, 64),
        metadata={"description": "The code of the store that serves the order, if one does."},
    )
    order_no = fields.String(
        load_default="",
        validate=Length(max=64),
        metadata={"description": "The order's number, where it has one: what it holds itself counts as free."},
    )
    lines = fields.List(fields.Nested(BasketLine), required=True, validate=Length(1, 200))


class ShareOut(Schema):
    line_no = fields.Integer()
    discount_fen = fields.Integer()


class FitOut(CardOut):
    discount_fen = fields.Integer(metadata={"description": "What it takes off, used alone; 0 when it does not fit."})
    lines = fields.List(fields.Nested(ShareOut))


class FitsOut(Schema):
    """Best first; those that do not fit follow with their reason. `best`: the coupon to propose."""

    best = fields.String(allow_none=True, metadata={"example": "cpn_0000000000005"})
    total_fen = fields.Integer(metadata={"description": "The order before coupons."})
    currency = fields.Constant("CNY")
    items = fields.List(fields.Nested(FitOut))


@bp.post("/coupons/usable")
@bp.input(BasketIn)
@bp.output(FitsOut)
@bp.doc(summary="Which of my coupons fit this order", security=auth.SECURITY, responses=[401, 404, 409, 422])
def fitting(json_data: dict[str, Any]) -> dict[str, Any]:
    """Before paying, for the cart: each coupon with what it takes off, or why it does not, each as if used alone.
    Changes nothing. Of equal discounts the coupon that ends first is the better one.
    """
    who, now = auth.member(), clock.now()
    place = _place(who.brand_id, json_data["store"])
    lines = [rules.Line(**line) for line in json_data["lines"]]
    if len({line.line_no for line in lines}) != len(lines):
        raise LineNumberTwice()
    cards = coupons.wallet(who.brand_id, who.member_id, statuses=rules.OPEN_STATUSES, limit=ASKED)
    found = usable.fits(cards, lines, place=place, at=now, order_no=json_data["order_no"])
    names = coupons.names_of(who.brand_id, (one.card.terms for one in found))
    best = found[0] if found and found[0].refusal is None else None
    return {
        "best": ids.encode("cpn", best.card.coupon_id) if best else None,
        "total_fen": sum(line.amount_fen for line in lines),
        "items": [
            {
                **card_view(one.card, now, names, one.refusal),
                "discount_fen": one.discount_fen,
                "lines": [{"line_no": line_no, "discount_fen": fen} for line_no, fen in one.lines],
            }
            for one in found
        ],
    }


def _place(brand_id: int, code: str | None) -> usable.Place:
    """The brand's open store with a code, as the mall's; without a code an order of no store."""
    if code is None:
        return usable.Place(0, None, None, MALL)
    store = org.store_by_code(brand_id, code)
    if store is None or store.status != "open":
        raise StoreUnknown()
    return usable.Place(store.id, store.dealer_id, store.region_id, MALL)
