"""Orders from the till: each is recorded once, and its member earns and rises with it."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Boolean, Integer, List, Nested, String
from apiflask.validators import Length, OneOf, Regexp
from flask import g
from marshmallow import ValidationError, validates_schema

from app.core import ids
from app.core.errors import Invalid, NotFound
from app.core.fields import PublicId
from app.core.idempotency import once, request_hash
from app.core.transaction import run
from app.flows.order_paid import Paid, order_paid
from app.flows.order_refunded import order_refunded
from app.flows.till_member import find_member
from app.org import queries as org
from app.sales.errors import LineNumberTwice, OrderMismatch
from app.sales.refunds import BackLine
from app.sales.rules import LineData, OrderData, source_of

from .auth import idempotency_key, signed
from .checked import Many, Text, Whole
from .mall import SYSTEM

blueprint = APIBlueprint("orders", __name__, url_prefix="/api/pos/v1/orders", tag="pos")

SECURITY = "SiyuKey"
MOST_FEN = 1_000_000_000
SUMS = ("total_fen", "discount_fen", "paid_fen")


class MemberUnknown(Invalid):
    code, message = "member_unknown", "The brand has no such member."


class GuideUnknown(Invalid):
    code, message = "guide_unknown", "The brand has no such guide."


class MemberRef(Schema):
    number = Text(32, metadata={"description": "Before phone, phone before card_no, card_no before mall_account."})
    phone = Text(32)
    card_no = Text(64)
    mall_account = Text(64)
    mall_system = String(validate=Regexp(rf"^{SYSTEM}\Z"), metadata={"description": "Of mall_account; default mall."})

    @validates_schema
    def _names_someone(self, data: dict[str, Any], **_: Any) -> None:
        if not data.keys() - {"mall_system"}:
            raise ValidationError("One of number, phone, card_no, mall_account is needed.")


class OrderLineIn(Schema):
    line_no = Whole(1, 9999, required=True)
    sku = Text(64, required=True)
    name = Text(128, required=True)
    category = Text(64, shortest=0, load_default="")
    quantity = Whole(1, 9999, required=True)
    unit_fen = Whole(0, MOST_FEN, required=True)
    amount_fen = Whole(0, MOST_FEN, required=True, metadata={"description": "unit_fen x quantity, before discount."})
    discount_fen = Whole(0, MOST_FEN, load_default=0, metadata={"description": "Coupons included."})


class OrderIn(Schema):
    order_no = Text(64, required=True, metadata={"description": "Unique in its store and channel."})
    store = Text(64, required=True, metadata={"description": "The store's code."})
    channel = String(load_default="till", validate=OneOf(["till", "mall"]))
    member = Nested(MemberRef, load_default=None, allow_none=True, metadata={"description": "None: a walk-in."})
    guide = Text(64, load_default=None, allow_none=True, metadata={"description": "WeCom userid of who sold."})
    paid_at = AwareDateTime(required=True)
    lines = Many(OrderLineIn, 200, required=True)
    redemptions = List(Text(32), load_default=list, validate=Length(max=20), metadata={"description": "rdm_..."})
    total_fen = Whole(0, 1000 * MOST_FEN, metadata={"description": "Checked against the lines when given."})
    discount_fen = Whole(0, 1000 * MOST_FEN)
    paid_fen = Whole(0, 1000 * MOST_FEN)


class TierOut(Schema):
    code = String()
    name = String()


class OrderOut(Schema):
    order = PublicId("ord", attribute="order_id")
    order_no = String()
    member = PublicId("mbr", attribute="member_id", allow_none=True, metadata={"description": "Null for a walk-in."})
    new = Boolean(metadata={"description": "False when this order was uploaded before, with the same content."})
    paid_fen = Integer()
    currency = String()
    points = Integer(metadata={"description": "What this order earned."})
    growth = Integer(metadata={"description": "What this order earned."})
    points_balance = Integer()
    tier = Nested(TierOut, allow_none=True)
    upgraded = Boolean()


class RefundLineIn(Schema):
    line_no = Whole(1, 9999, required=True)
    quantity = Whole(0, 9999, required=True, metadata={"description": "How many come back; 0 when only money does."})
    refunded_fen = Whole(0, MOST_FEN, required=True, metadata={"description": "What is paid back for them."})


class OrderRefundIn(Schema):
    order_no = Text(64, required=True)
    store = Text(64, required=True, metadata={"description": "The store's code, as the order was uploaded."})
    channel = String(load_default="till", validate=OneOf(["till", "mall"]))
    refund_no = Text(64, required=True, metadata={"description": "Unique in the store and channel."})
    refunded_at = AwareDateTime(required=True)
    reason = Text(200, shortest=0, load_default="")
    lines = Many(RefundLineIn, 200, required=True)


class OrderRefundOut(Schema):
    order = PublicId("ord", attribute="order_id")
    refund_no = String()
    new = Boolean(metadata={"description": "False when this refund was told before, with the same content."})
    refunded_fen = Integer()
    left_fen = Integer(metadata={"description": "What of the order's payment has not been given back."})
    currency = String()
    status = String(metadata={"description": "paid, or refunded once all of its money went back."})


@blueprint.post("")
@signed
@blueprint.input(OrderIn)
@blueprint.output(OrderOut)
@blueprint.doc(summary="Upload a paid order", security=SECURITY, responses=[401, 404, 409])
def upload(json_data: dict[str, Any]) -> dict[str, Any]:
    """Once per (store, channel, order_no): the same content again gets the same answer, other content 409. Lines,
    discounts, stated sums and redemptions must add up, else 422 with `data.field`. Needs an Idempotency-Key."""
    key = idempotency_key()
    store = g.client.check_store(json_data["store"])
    return run(
        lambda: once(
            scope=g.client.key_scope,
            key=key,
            digest=request_hash("orders.upload", json_data),
            work=lambda: _upload(json_data, store.store_id),
        )
    )


@blueprint.post("/refunds")
@signed
@blueprint.input(OrderRefundIn)
@blueprint.output(OrderRefundOut)
@blueprint.doc(summary="Tell that goods of an order went back", security=SECURITY, responses=[401, 404, 409])
def refund(json_data: dict[str, Any]) -> dict[str, Any]:
    """In whole or in part, by line. `refund_no` is what makes it happen once: the same again gets the same answer,
    other content 409. The order's coupons give back what they took off these lines; a coupon whose refund the till
    told itself is not counted twice. Gifts that the order brought are taken back with it."""
    store = g.client.check_store(json_data["store"])
    lines = [BackLine(**line) for line in json_data["lines"]]
    if len({line.line_no for line in lines}) != len(lines):
        raise LineNumberTwice()
    done = run(
        lambda: order_refunded(
            brand_id=g.client.brand_id,
            store_id=store.store_id,
            source=source_of(json_data["channel"], json_data["store"]),
            lines=lines,
            **{name: json_data[name] for name in ("order_no", "refund_no", "refunded_at", "reason")},
        )
    )
    order = done.order
    return {
        "order_id": order.order_id,
        "refund_no": json_data["refund_no"],
        "new": done.new,
        "refunded_fen": done.refunded_fen,
        "left_fen": order.paid_fen - order.refunded_fen,
        "currency": "CNY",
        "status": order.status,
    }


def _upload(body: dict[str, Any], store_id: int) -> dict[str, Any]:
    brand_id = g.client.brand_id
    order = OrderData(
        source=source_of(body["channel"], body["store"]),
        order_no=body["order_no"],
        store_id=store_id,
        guide_id=_guide(brand_id, body["guide"]),
        channel=body["channel"],
        paid_at=body["paid_at"],
        lines=tuple(LineData(**line) for line in body["lines"]),
    )
    paid = order_paid(
        brand_id=brand_id,
        member_id=_member(brand_id, body["member"]),
        order=order,
        redemptions=_redemptions(body["redemptions"]),
        totals={name: body[name] for name in SUMS if name in body},
    )
    return _answer(order, paid)


def _member(brand_id: int, ref: dict[str, str] | None) -> int | None:
    if ref is None:
        return None
    member = find_member(brand_id, **ref)
    if member is None:
        raise MemberUnknown(field="member")
    return member.member_id


def _redemptions(texts: list[str]) -> list[int]:
    found = []
    for index, text in enumerate(texts):
        try:
            found.append(ids.decode("rdm", text))
        except NotFound as error:
            raise OrderMismatch("There is no such redemption.", field=f"redemptions[{index}]") from error
    return found


def _guide(brand_id: int, userid: str | None) -> int | None:
    if userid is None:
        return None
    account = org.account(brand_id, "wecom")
    guide = None if account is None else org.guide_by_userid(account.namespace, userid)
    if guide is None or guide.brand_id != brand_id:
        raise GuideUnknown(field="guide")
    return guide.id


def _answer(order: OrderData, paid: Paid) -> dict[str, Any]:
    return {
        "order_id": paid.order_id,
        "order_no": order.order_no,
        "member_id": paid.member_id,
        "new": paid.new,
        "paid_fen": order.paid_fen,
        "currency": "CNY",
        "points": paid.points,
        "growth": paid.growth,
        "points_balance": paid.points_balance,
        "tier": None if paid.tier is None else {"code": paid.tier.code, "name": paid.tier.name},
        "upgraded": paid.upgraded,
    }
