"""Before paying: which of a member's coupons fit the order in the cart, what each takes off, why others do not; and
what several take off together, in what order and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, Range

from app.core import clock, ids
from app.core.errors import NotFound
from app.coupons import queries as coupons
from app.coupons import rules, together, usable, wording
from app.coupons.cards import card_view
from app.coupons.commands.order import CouponTwice
from app.coupons.errors import CouponUnknown
from app.org import queries as org
from app.sales.errors import LineNumberTwice

from . import auth
from .cards import CardOut

bp = APIBlueprint("miniapp_basket", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)

MALL = "mall"
MOST = 20  # so many are looked at together
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


class BestTogetherOut(Schema):
    """Coupons that go together, in the order in which they take off, and what they take off together."""

    coupons = fields.List(fields.String(metadata={"example": "cpn_0000000000005"}))
    discount_fen = fields.Integer()
    payable_fen = fields.Integer(metadata={"description": "What the order costs with them."})
    order_words = fields.List(
        fields.String(), metadata={"description": "For each, as which it takes off and why there, in Chinese."}
    )


class FitsOut(Schema):
    """Best first; those that do not fit follow with their reason. `best`: the coupon to propose if there is to be one,
    `best_together`: those to propose if there may be several.
    """

    best = fields.String(allow_none=True, metadata={"example": "cpn_0000000000005"})
    best_together = fields.Nested(BestTogetherOut, allow_none=True)
    total_fen = fields.Integer(metadata={"description": "The order before coupons."})
    currency = fields.Constant("CNY")
    items = fields.List(fields.Nested(FitOut))


class TogetherIn(BasketIn):
    coupons = fields.List(
        fields.String(validate=Length(1, 64), metadata={"example": "cpn_0000000000005"}),
        required=True,
        validate=Length(1, MOST),
        metadata={"description": "The member's own, in any order, each once."},
    )


class TurnOut(CardOut):
    position = fields.Integer(metadata={"description": "As which it takes off, from 1; 0: not at all."})
    discount_fen = fields.Integer(metadata={"description": "What it takes off in its turn."})
    lines = fields.List(fields.Nested(ShareOut))
    why_here = fields.String(
        metadata={
            "description": "As which it takes off and why there, or why it takes off nothing beside the others.",
            "example": "第2张：满减券在兑换券之后抵扣，门槛按用券前的商品金额判断",
        }
    )


class PaidLineOut(Schema):
    line_no = fields.Integer()
    amount_fen = fields.Integer(metadata={"description": "What the line costs before any coupon."})
    discount_fen = fields.Integer(metadata={"description": "What these coupons take off it."})
    payable_fen = fields.Integer()


class TogetherOut(Schema):
    """First those that take off, in their order, then the others. `total_fen` less `used_fen` and `discount_fen` is
    `payable_fen`.
    """

    total_fen = fields.Integer(metadata={"description": "The order before any coupon."})
    used_fen = fields.Integer(metadata={"description": "What coupons used on the order before take off it."})
    discount_fen = fields.Integer(metadata={"description": "What these coupons take off together."})
    payable_fen = fields.Integer()
    currency = fields.Constant("CNY")
    lines = fields.List(fields.Nested(PaidLineOut))
    order_words = fields.List(fields.String(), metadata={"description": "`why_here` of those that take off."})
    items = fields.List(fields.Nested(TurnOut))


class Mall(NamedTuple):
    """A store's mall, as the counter that numbers orders."""

    brand_id: int
    store_id: int
    source: str = MALL


@bp.post("/coupons/usable")
@bp.input(BasketIn)
@bp.output(FitsOut)
@bp.doc(summary="Which of my coupons fit this order", security=auth.SECURITY, responses=[401, 404, 409, 422])
def fitting(json_data: dict[str, Any]) -> dict[str, Any]:
    """Before paying, for the cart: each coupon with what it takes off, or why it does not, each as if used alone.
    Changes nothing. Of equal discounts the coupon that ends first is the better one.

    `best_together`: of the 20 best coupons each is tried as a start, and those that go with it are added, best first,
    while the total grows, up to 10 (of a very long order only the first starts are tried); the greatest total is told,
    never less than the best coupon alone. It is what `/coupons/together` answers for these coupons on an order on which
    none was used yet.
    """
    who, now = auth.member(), clock.now()
    place, lines = _place(who.brand_id, json_data["store"]), _lines(json_data)
    cards = coupons.wallet(who.brand_id, who.member_id, statuses=rules.OPEN_STATUSES, limit=ASKED)
    found = usable.fits(cards, lines, place=place, at=now, order_no=json_data["order_no"])
    names = coupons.names_of(who.brand_id, (one.card.terms for one in found))
    best = found[0] if found and found[0].refusal is None else None
    return {
        "best": ids.encode("cpn", best.card.coupon_id) if best else None,
        "best_together": _best_together(found, lines),
        "total_fen": sum(line.amount_fen for line in lines),
        "items": [
            {
                **card_view(one.card, now, names, one.refusal),
                "discount_fen": one.discount_fen,
                "lines": _shares(one.lines),
            }
            for one in found
        ],
    }


def _best_together(found: Sequence[usable.Fit], lines: Sequence[rules.Line]) -> dict[str, Any] | None:
    best = together.best(found, lines)
    if best is None:
        return None
    words = wording.why_here(best.turns, lines)
    return {
        "coupons": [ids.encode("cpn", turn.coupon.coupon_id) for turn in best.turns],
        "discount_fen": best.discount_fen,
        "payable_fen": best.payable_fen,
        "order_words": [words[turn.coupon.coupon_id] for turn in best.turns],
    }


@bp.post("/coupons/together")
@bp.input(TogetherIn)
@bp.output(TogetherOut)
@bp.doc(summary="What my coupons take off together", security=auth.SECURITY, responses=[401, 404, 409, 422])
def taken_together(json_data: dict[str, Any]) -> dict[str, Any]:
    """What a till's validate would answer for these coupons and this order: one after the other in a fixed order
    (gifts, thresholds, amounts, percentages, freight; within a kind what ends first), however they are told, each with
    its place and why it is there, or why it takes off nothing. Changes nothing.

    What was used on the order before counts when `store` and `order_no` name it and the caller used a coupon on it.
    404 for a coupon of anybody else, 422 `coupon_twice` for one told twice.
    """
    who, now = auth.member(), clock.now()
    place, lines, order_no = _place(who.brand_id, json_data["store"]), _lines(json_data), json_data["order_no"]
    with wording.added():
        cards = {card.coupon_id: card for card in _own(who, json_data["coupons"])}
    before = coupons.NOTHING_BEFORE
    if place.store_id and order_no:
        before = coupons.before_for(Mall(who.brand_id, place.store_id), who.member_id, order_no)
    found = together.beside(
        list(cards.values()),
        lines,
        place=place,
        at=now,
        order_no=order_no,
        off=before.lines,
        groups=before.groups,
    )
    names = coupons.names_of(who.brand_id, (card.terms for card in cards.values()))
    words = wording.why_here(found.turns, lines, used=bool(before.groups), names=names)
    total, off = sum(line.amount_fen for line in lines), dict(found.lines)
    return {
        "total_fen": total,
        "used_fen": total - found.discount_fen - found.payable_fen,
        "discount_fen": found.discount_fen,
        "payable_fen": found.payable_fen,
        "lines": [
            {
                "line_no": line.line_no,
                "amount_fen": line.amount_fen,
                "discount_fen": off.get(line.line_no, 0),
                "payable_fen": left.amount_fen,
            }
            for line, left in zip(lines, found.left, strict=True)
        ],
        "order_words": [words[turn.coupon.coupon_id] for turn in found.turns if turn.position],
        "items": [
            _turn(turn, card_view(cards[turn.coupon.coupon_id], now, names, turn.refusal), words)
            for turn in found.turns
        ],
    }


def _turn(turn: rules.Turn, view: dict[str, Any], words: dict[int, str]) -> dict[str, Any]:
    why_here = words[turn.coupon.coupon_id]
    return {
        **view,
        "why": view["why"] and {**view["why"], "words": why_here},
        "position": turn.position,
        "discount_fen": turn.quote.discount_fen,
        "lines": _shares(turn.quote.lines),
        "why_here": why_here,
    }


def _shares(lines: Sequence[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"line_no": line_no, "discount_fen": fen} for line_no, fen in lines]


def _own(who: auth.MemberSession, told: Sequence[str]) -> list[coupons.Card]:
    """The member's coupons of these ids; CouponUnknown, CouponTwice."""
    try:
        coupon_ids = [ids.decode("cpn", one) for one in told]
    except NotFound:
        raise CouponUnknown() from None
    if len(set(coupon_ids)) != len(coupon_ids):
        raise CouponTwice()
    return coupons.cards(who.brand_id, who.member_id, coupon_ids)


def _lines(body: dict[str, Any]) -> list[rules.Line]:
    lines = [rules.Line(**line) for line in body["lines"]]
    if len({line.line_no for line in lines}) != len(lines):
        raise LineNumberTwice()
    return lines


def _place(brand_id: int, code: str | None) -> usable.Place:
    """The brand's open store with a code, as the mall's; without a code an order of no store."""
    if code is None:
        return usable.Place(0, None, None, MALL)
    store = org.store_by_code(brand_id, code)
    if store is None or store.status != "open":
        raise StoreUnknown()
    return usable.Place(store.id, store.dealer_id, store.region_id, MALL)
