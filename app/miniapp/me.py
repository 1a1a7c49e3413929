"""What the shopper sees of themselves: membership, tier, points, coupons at a glance, and the points' history."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, Range

from app.core import paging
from app.core.fields import Page, PublicId
from app.dashboards.queries import home
from app.points import queries as points

from . import auth
from .shapes import MemberOut

bp = APIBlueprint("miniapp_me", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")
bp.before_request(auth.guard)

PAGE = 20


class TierOut(Schema):
    code = fields.String()
    name = fields.String()
    rank = fields.Integer()
    since = fields.AwareDateTime()
    next_name = fields.String(allow_none=True)
    next_growth = fields.Integer(allow_none=True, metadata={"description": "Growth the next tier asks for."})


class MeOut(Schema):
    bound = fields.Boolean()
    member = fields.Nested(MemberOut, allow_none=True)
    tier = fields.Nested(TierOut, allow_none=True)
    points = fields.Integer()
    growth = fields.Integer()
    coupons = fields.Dict(keys=fields.String(), values=fields.Integer(), metadata={"description": "Number by state."})


class PointsIn(Schema):
    cursor = fields.String(load_default=None, validate=Length(1, 200))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))


class EntryOut(Schema):
    id = PublicId("jnl", attribute="journal_id")
    kind = fields.String(metadata={"description": "earn, spend, expire, adjust, refund or merge."})
    amount = fields.Integer()
    at = fields.AwareDateTime()


class PointsOut(Page):
    balance = fields.Integer()
    items = fields.List(fields.Nested(EntryOut))


@bp.get("/me")
@bp.output(MeOut)
@bp.doc(summary="Who am I", security=auth.SECURITY, responses=[401])
def me() -> dict[str, Any]:
    """The shopper's membership at a glance; without one, only `bound: false`."""
    who = auth.shopper()
    found = home.of(who.brand_id, who.person_id, who.member_id) if who.member_id is not None else None
    if found is None:
        return {"bound": False, "member": None, "tier": None, "points": 0, "growth": 0, "coupons": {}}
    return {
        "bound": found.bound_at is not None,
        "member": found,
        "tier": found.tier,
        "points": found.points,
        "growth": found.growth,
        "coupons": found.coupons,
    }


@bp.get("/points")
@bp.input(PointsIn, location="query")
@bp.output(PointsOut)
@bp.doc(summary="My points", security=auth.SECURITY, responses=[401, 403, 409])
def history(query_data: dict[str, Any]) -> dict[str, Any]:
    """The member's points, newest first."""
    who = auth.member()
    limit = query_data["limit"]
    before = paging.after(query_data["cursor"])
    entries = points.history(who.brand_id, who.member_id, before=before, limit=limit + 1)
    shown, next_cursor = paging.page(entries, limit, lambda one: (one.at, one.journal_id))
    balance = points.balances(who.brand_id, who.member_id)["points"]
    return {"balance": balance, "items": shown, "next_cursor": next_cursor}
