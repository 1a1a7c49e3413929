"""The cash desk of a store without an integrated till: what a coupon would do, redeem it, undo it, today's list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range
from flask import request

from app.core import clock, ids, paging
from app.core.errors import Invalid, NotFound, SiyuError
from app.core.fields import Page, PublicId
from app.core.idempotency import checked_key
from app.core.transaction import reading, run
from app.coupons import desk, queries, wording
from app.coupons.rules import Line
from app.flows import cash_desk
from app.flows.cash_desk import Cashier, Order
from app.flows.coupon_limits import trying_codes
from app.org import queries as org
from app.org.models import Store
from app.sales.errors import LineNumberTwice

from . import scope
from .blueprint import api

PAGE = 50
GROUP = "集团账号"  # whoever belongs to no brand
MOST_FEN = 1_000_000_000
MOST_COUPONS = 10  # on one order


class StoreUnknown(NotFound):
    code, message = "store_unknown", "There is no such store, or it is not among the caller's."


class OrderEmpty(Invalid):
    code, message = "order_empty", "The order has neither an amount nor lines."


class DeskLineIn(Schema):
    line_no = fields.Integer(required=True, strict=True, validate=Range(1, 9999))
    sku = fields.String(required=True, validate=Length(1, 64))
    category = fields.String(
        load_default="", validate=Length(max=64), metadata={"description": "`shipping` marks freight."}
    )
    quantity = fields.Integer(required=True, strict=True, validate=Range(1, 9999))
    amount_fen = fields.Integer(required=True, strict=True, validate=Range(0, MOST_FEN))


class DeskIn(Schema):
    """An order by its `lines`, or by its amount alone."""

    store = fields.String(
        load_default="",
        validate=Length(max=64),
        metadata={"description": "Its code; a store's own user need not name it."},
    )
    codes = fields.List(fields.String(validate=Length(1, 64)), required=True, validate=Length(1, MOST_COUPONS))
    order_no = fields.String(load_default="", validate=Length(max=64))
    amount_fen = fields.Integer(load_default=0, strict=True, validate=Range(0, MOST_FEN))
    freight_fen = fields.Integer(load_default=0, strict=True, validate=Range(0, MOST_FEN))
    lines = fields.List(fields.Nested(DeskLineIn), load_default=list, validate=Length(max=200))


class DeskOrderIn(DeskIn):
    order_no = fields.String(required=True, validate=Length(1, 64))


class UndoIn(Schema):
    store = fields.String(load_default="", validate=Length(max=64))
    reason = fields.String(required=True, validate=OneOf(desk.UNDO_REASONS))


class DayIn(Schema):
    store = fields.String(load_default="", validate=Length(max=64))
    cursor = fields.String(load_default="", validate=Length(max=200))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))


class DeskWhyOut(Schema):
    code = fields.String()
    words = fields.String(metadata={"description": "In Chinese, to be shown as it is."})


class LookedCouponOut(Schema):
    """`usable` is null for an order without an amount, of a coupon that is good by itself."""

    code = fields.String()
    name = fields.String()
    kind = fields.String()
    summary = fields.String()
    conditions = fields.List(fields.String())
    expiry = fields.String()
    usable = fields.Boolean(allow_none=True)
    why = fields.Nested(DeskWhyOut, allow_none=True)
    discount_fen = fields.Integer()


class LookedOut(Schema):
    """The coupons as they were told; the sums are those of the usable ones together."""

    coupons = fields.List(fields.Nested(LookedCouponOut))
    amount_fen = fields.Integer()
    discount_fen = fields.Integer()
    pay_fen = fields.Integer()
    currency = fields.Constant("CNY")
    before = fields.List(fields.String(), metadata={"description": "Coupons redeemed for this order number earlier."})


class DeskCouponOut(Schema):
    redemption = PublicId("rdm", attribute="redemption_id")
    name = fields.String()
    summary = fields.String()
    discount_fen = fields.Integer()
    returned_at = fields.AwareDateTime(allow_none=True)


class DeskLineOut(Schema):
    id = PublicId("dsk", attribute="slip_id")
    coupons = fields.List(fields.Nested(DeskCouponOut))
    order_no = fields.String()
    amount_fen = fields.Integer()
    discount_fen = fields.Integer()
    pay_fen = fields.Integer()
    currency = fields.Constant("CNY")
    at = fields.AwareDateTime()
    by = fields.String(metadata={"description": "The name of whoever redeemed it."})
    undone_at = fields.AwareDateTime(allow_none=True)
    undone_by = fields.String(allow_none=True)
    undo_reason = fields.String(allow_none=True)
    may_undo = fields.Boolean(metadata={"description": "Whether the caller may undo it at this moment."})


class TotalsOut(Schema):
    """Money in fen. `amount_fen`: the orders before their coupons."""

    redeemed = fields.Integer()
    discount_fen = fields.Integer()
    amount_fen = fields.Integer()
    undone = fields.Integer()


class DayOut(Page):
    store = fields.String(metadata={"description": "Its code."})
    totals = fields.Nested(TotalsOut)
    items = fields.List(fields.Nested(DeskLineOut))


class UndoneOut(Schema):
    status = fields.String()


@api.post("/desk/check")
@api.input(DeskIn, arg_name="given")
@api.output(LookedOut)
@api.doc(summary="What coupons would do at the desk", security="AdminToken", responses=[401, 403, 404, 409, 422, 429])
def check_at_desk(given: dict[str, Any]) -> dict[str, Any]:
    """Changes nothing. A code that is nobody's answers 404; a coupon that cannot be used says why."""
    return looked(cashier(given["store"]), given["codes"], order_of(given))


@api.post("/desk/redemptions")
@api.input(DeskOrderIn, arg_name="given")
@api.output(DeskLineOut, status_code=201)
@api.doc(summary="Redeem coupons at the desk", security="AdminToken", responses=[401, 403, 404, 409, 422, 429])
def redeem_at_desk(given: dict[str, Any]) -> dict[str, Any]:
    """All of them or none. Needs an Idempotency-Key: the same key and body get the same answer, another body 409."""
    key = checked_key(request.headers.get("Idempotency-Key"))
    return redeemed(cashier(given["store"]), key, given["codes"], order_of(given))


@api.get("/desk/redemptions")
@api.input(DayIn, location="query", arg_name="asked")
@api.output(DayOut)
@api.doc(summary="What a store's desk redeemed today", security="AdminToken", responses=[401, 403, 404])
def desk_day(asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first, with the day's totals; what was undone stays in the list."""
    return today(cashier(asked["store"]), asked["cursor"], asked["limit"])


@api.post("/desk/redemptions/<slip>/undo")
@api.input(UndoIn, arg_name="given")
@api.output(UndoneOut)
@api.doc(summary="Undo a redemption of the desk", security="AdminToken", responses=[401, 403, 404, 409])
def undo_at_desk(slip: str, given: dict[str, str]) -> dict[str, str]:
    """On its own day, not once its order was uploaded. Who redeemed it has half an hour; later somebody else must."""
    undone(cashier(given["store"]), slip, given["reason"])
    return {"status": "undone"}


# ---- what the routes and the page share


def stores() -> list[Store]:
    """The open stores at whose desk the caller may work."""
    me = scope.current()
    return [one for one in org.stores(me.brand_id) if one.status == "open" and me.reach.covers(one.id)]


def cashier(store: str) -> Cashier:
    """The caller at a store's desk, `store` being its code; the only store of who has but one may go unsaid."""
    me = scope.current()
    if store:
        found = org.store_by_code(me.brand_id, store)
    elif me.reach.store_ids is not None and len(me.reach.store_ids) == 1:
        found = org.store(me.brand_id, *me.reach.store_ids)
    else:
        found = None
    if found is None or found.status != "open" or not me.reach.covers(found.id):
        raise StoreUnknown()
    return Cashier(admin_id=me.admin_id, store=found, timezone=me.timezone)


def order_of(given: dict[str, Any]) -> Order:
    """The order of a request: its lines, or its sums as lines."""
    lines = tuple(Line(**line) for line in given["lines"])
    if len({line.line_no for line in lines}) != len(lines):
        raise LineNumberTwice()
    lines = lines or cash_desk.basket(amount_fen=given["amount_fen"], freight_fen=given["freight_fen"])
    return Order(order_no=given["order_no"], lines=lines)


@contextmanager
def _reading(who: Cashier, codes: list[str]) -> Iterator[None]:
    """Every code that is read at a desk is read in here: wrong ones are counted, refusals pass and get their words."""
    store = who.store
    with (
        wording.added(),
        trying_codes(brand_id=store.brand_id, store_id=store.id, caller=f"desk:{who.admin_id}", shown=codes),
    ):
        yield


def looked(who: Cashier, codes: list[str], order: Order) -> dict[str, Any]:
    """Coupons in words and what they would take off together; raises for a code that is nobody's."""
    with _reading(who, codes), reading():
        found = cash_desk.look(cashier=who, codes=codes, order=order)
        names = queries.names_of(who.store.brand_id, [one.terms for one in found.coupons])
    return {
        "coupons": [_coupon(one, names, bool(order.lines)) for one in found.coupons],
        "amount_fen": order.amount_fen,
        "discount_fen": found.discount_fen,
        "pay_fen": order.amount_fen - found.discount_fen,
        "before": [f"{one.name} -{wording.yuan(one.redemption.discount_fen)}" for one in found.before],
    }


def _coupon(one: cash_desk.Shown, names: wording.Names, priced: bool) -> dict[str, Any]:
    coupon, terms, refusal = one.coupon, one.terms, one.refusal
    return {
        "code": one.code,
        "name": coupon.name,
        "kind": coupon.kind,
        "summary": wording.offer(terms),
        "conditions": wording.conditions(terms, names),
        "expiry": wording.expiry(coupon.valid_from, coupon.valid_to, clock.now(), terms.timezone),
        "usable": refusal is None if refusal or priced else None,
        "why": {"code": refusal.code, "words": wording.refusal(refusal, terms, names)} if refusal else None,
        "discount_fen": one.discount_fen,
    }


def redeemed(who: Cashier, key: str, codes: list[str], order: Order) -> dict[str, Any]:
    """Redeem codes, once a key; what the list would say of them."""
    if not order.lines:
        raise OrderEmpty()
    with _reading(who, codes):
        slip_id = run(lambda: cash_desk.redeem(cashier=who, key=key, codes=codes, order=order))
    return shown(who, slip_id)


def undone(who: Cashier, slip: str, reason: str) -> None:
    """Undo a slip of the store, given by its public id; raises why not."""
    slip_id = ids.decode("dsk", slip)
    with wording.added():
        run(lambda: cash_desk.undo(cashier=who, slip_id=slip_id, reason=reason))


def shown(who: Cashier, slip_id: int) -> dict[str, Any]:
    """One slip of the store as the list has it."""
    return _line(who, desk.used(who.store.brand_id, who.store.id, slip_id), _people())


def today(who: Cashier, cursor: str = "", limit: int = PAGE) -> dict[str, Any]:
    """A page of what the store's desk redeemed today, and the day's totals."""
    key, within = (who.store.brand_id, who.store.id), cash_desk.day(clock.now(), who.timezone)
    rows = desk.listed(*key, *within, before=paging.after_id(cursor), limit=limit + 1)
    page, next_cursor = paging.page(rows, limit, lambda one: (one[0].slip.slip_id,))
    people = _people()
    return {
        "store": who.store.code,
        "totals": desk.totals(*key, *within),
        "items": [_line(who, one, people) for one in page],
        "next_cursor": next_cursor,
    }


def _people() -> dict[int, str]:
    return {one.id: one.name for one in org.admin_users(scope.current().brand_id)}


def _line(who: Cashier, found: list[desk.Used], people: dict[int, str]) -> dict[str, Any]:
    slip = found[0].slip
    off = sum(one.redemption.discount_fen for one in found)
    back = [one.redemption.returned_at for one in found if one.redemption.returned_at]
    return {
        "slip_id": slip.slip_id,
        "coupons": [
            {
                "redemption_id": one.redemption.redemption_id,
                "name": one.name,
                "summary": wording.offer(queries.terms(slip.brand_id, one.campaign_id, one.version)),
                "discount_fen": one.redemption.discount_fen,
                "returned_at": one.redemption.returned_at,
            }
            for one in found
        ],
        "order_no": slip.order_no,
        "amount_fen": slip.amount_fen,
        "discount_fen": off,
        "pay_fen": slip.amount_fen - off,
        "at": slip.created_at,
        "by": people.get(slip.admin_id, GROUP),
        "undone_at": max(back) if len(back) == len(found) else None,
        "undone_by": people.get(slip.undone_by, GROUP) if slip.undone_by else None,
        "undo_reason": slip.undo_reason,
        "may_undo": not back and _may_undo(who, slip),
    }


def _may_undo(who: Cashier, slip: desk.DeskSlip) -> bool:
    try:
        desk.check_undo(
            redeemed_at=slip.created_at,
            by_self=slip.admin_id == who.admin_id,
            at=clock.now(),
            timezone=who.timezone,
        )
    except SiyuError:
        return False
    return True
