"""The customer beside the chat: who this is, what they bought, what waits for them."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields

from app.core import clock
from app.core.fields import PublicId
from app.coupons import queries as coupons
from app.coupons.cards import cards_view
from app.coupons.rules import OPEN_STATUSES
from app.dashboards.queries import timeline
from app.identity import queries as identity
from app.members.models import Member
from app.members.rules import masked_phone
from app.org import queries as org
from app.points import queries as points
from app.sales import queries as sales
from app.segments import queries as segments
from app.sop import queries as sop
from app.tiers import queries as tiers

from . import auth, wording
from .blueprint import api
from .customer import Customer, followed
from .shapes import TaskOut, task_view

ORDERS, MOMENTS, COUPONS = 5, 15, 20


class TierOut(Schema):
    code = fields.String()
    name = fields.String()
    rank = fields.Integer()
    growth = fields.Integer(metadata={"description": "Growth of the tier's window."})
    next_name = fields.String(allow_none=True)
    next_growth = fields.Integer(allow_none=True)


class OrderOut(Schema):
    id = PublicId("ord", attribute="order_id")
    order_no = fields.String()
    store = fields.String()
    channel = fields.String()
    status = fields.String()
    paid_fen = fields.Integer()
    paid_at = fields.AwareDateTime()


class CardOut(Schema):
    id = PublicId("cpn", attribute="coupon_id")
    name = fields.String()
    summary = fields.String()
    status = fields.String()
    valid_to = fields.AwareDateTime()
    conditions = fields.List(fields.String(), metadata={"description": "What else holds, in words."})
    expiry = fields.String(metadata={"example": "还剩3天"})
    why = fields.String(allow_none=True, metadata={"description": "Why it cannot be used now, in words."})


class MomentOut(Schema):
    at = fields.AwareDateTime()
    kind = fields.String()
    title = fields.String()
    detail = fields.String()


class MemberOut(Schema):
    """Money in fen. The phone is masked."""

    id = PublicId("mbr", attribute="member_id")
    number = fields.String()
    name = fields.String(allow_none=True)
    phone = fields.String(allow_none=True)
    status = fields.String()
    joined_at = fields.AwareDateTime()
    bound = fields.Boolean()
    birthday = fields.String(allow_none=True, metadata={"description": "Month and day, MM-DD."})
    home_store = fields.String(allow_none=True)
    guide = fields.String(allow_none=True)
    tier = fields.Nested(TierOut, allow_none=True)
    points = fields.Integer()
    growth = fields.Integer()
    usable_coupons = fields.Integer()
    tags = fields.List(fields.String())
    lifecycle = fields.String(allow_none=True, metadata={"description": "The stage in words; null before it is known."})
    favourite_category = fields.String(allow_none=True)
    avg_fen = fields.Integer(allow_none=True, metadata={"description": "Average of an order."})
    coupons = fields.List(fields.Nested(CardOut))
    orders = fields.List(fields.Nested(OrderOut))
    timeline = fields.List(fields.Nested(MomentOut))
    currency = fields.Constant("CNY")


class CustomerOut(Schema):
    """`member` is null for a customer who is not a member (yet)."""

    external_userid = fields.String()
    name = fields.String()
    avatar = fields.String(allow_none=True)
    remark = fields.String(allow_none=True)
    added_at = fields.AwareDateTime()
    member = fields.Nested(MemberOut, allow_none=True)
    tasks = fields.List(fields.Nested(TaskOut), metadata={"description": "The guide's open tasks for this customer."})


@api.get("/customers/<external_userid>")
@api.output(CustomerOut)
@api.doc(summary="Who is this?", security=auth.SECURITY, responses=[401, 404])
def customer(external_userid: str) -> dict[str, Any]:
    """The customer beside the chat; 404 unless the signed-in guide follows them."""
    guide = auth.guide()
    found = followed(guide, external_userid)
    member = found.member
    return {
        "external_userid": external_userid,
        "name": found.name,
        "avatar": found.card.avatar if found.card else None,
        "remark": found.follow.remark,
        "added_at": found.follow.added_at,
        "member": None if member is None else _member(found, member),
        "tasks": [] if member is None else _tasks(guide, member.member_id),
    }


def _tasks(guide: auth.GuideSession, member_id: int) -> list[dict[str, Any]]:
    found = sop.tasks_of_member(guide.brand_id, member_id, guide_id=guide.guide_id, status="open")
    return [task_view(one) for one in sorted(found, key=lambda one: (one.deadline_at, one.task_id))]


def _member(found: Customer, member: Member) -> dict[str, Any]:
    key = (member.brand_id, member.member_id)
    phone = identity.phone_of(member.person_id)
    balances = points.balances(*key)
    store = org.store(member.brand_id, member.home_store_id) if member.home_store_id else None
    owner = org.guide(member.guide_id) if member.guide_id else None
    return {
        "member_id": member.member_id,
        "number": member.number,
        "name": member.plain_name,
        "phone": masked_phone(phone) if phone else None,
        "status": member.status,
        "joined_at": member.joined_at,
        "bound": member.bound_at is not None,
        "birthday": f"{member.birthday:%m-%d}" if member.birthday else None,
        "home_store": store.name if store else None,
        "guide": owner.name if owner else None,
        "tier": _tier(*key),
        "points": balances["points"],
        "growth": balances["growth"],
        "usable_coupons": coupons.counts(*key)["usable"],
        "tags": [tag.name for tag in segments.tags_of(*key)],
        **_traits(*key),
        "coupons": _coupons(*key),
        "orders": _orders(*key),
        "timeline": _timeline(member),
    }


def _coupons(brand_id: int, member_id: int) -> list[dict[str, Any]]:
    """The coupons not used yet, in the words that their owner reads."""
    found = coupons.wallet(brand_id, member_id, statuses=OPEN_STATUSES, limit=COUPONS)
    return [card | {"why": card["why"] and card["why"]["words"]} for card in cards_view(brand_id, found)]


def _tier(brand_id: int, member_id: int) -> dict[str, Any] | None:
    standing = tiers.standing(brand_id, member_id)
    current = tiers.current(brand_id, member_id)
    if current is None:
        return None
    since = standing.window_start(clock.now())
    return {
        "code": current.code,
        "name": current.name,
        "rank": current.rank,
        "growth": points.growth_since(brand_id, member_id, since),
        "next_name": current.next_name,
        "next_growth": current.next_growth,
    }


def _traits(brand_id: int, member_id: int) -> dict[str, Any]:
    traits = segments.traits(brand_id, member_id)
    bought = traits is not None and traits.orders_count > 0
    return {
        "lifecycle": wording.LIFECYCLE[traits.lifecycle] if traits else None,
        "favourite_category": traits.favourite_category if traits else None,
        "avg_fen": traits.avg_fen if traits and bought else None,
    }


def _orders(brand_id: int, member_id: int) -> list[dict[str, Any]]:
    stores = {store.id: store.name for store in org.stores(brand_id)}
    return [
        {
            "order_id": order.order_id,
            "order_no": order.order_no,
            "store": stores.get(order.store_id, ""),
            "channel": order.channel,
            "status": order.status,
            "paid_fen": order.paid_fen,
            "paid_at": order.paid_at,
        }
        for order in sales.orders_of(brand_id, member_id, limit=ORDERS)
    ]


def _timeline(member: Member) -> list[dict[str, Any]]:
    shown = [one for one in timeline.of(member, limit=60) if one.kind not in wording.HIDDEN]
    return [
        {"at": one.at, "kind": one.kind, "title": title, "detail": detail}
        for one in shown[:MOMENTS]
        for title, detail in [wording.moment(one)]
    ]
