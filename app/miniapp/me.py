"""What the shopper sees of themselves: membership, tier, points, coupons at a glance, and the points' history."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, Range

from app.core import ids
from app.core.errors import Invalid
from app.coupons import queries as coupons
from app.members import queries as members
from app.points import queries as points
from app.tiers import queries as tiers

from . import auth
from .shapes import MemberOut, member_view

bp = APIBlueprint("miniapp_me", __name__, url_prefix="/api/miniapp/v1", tag="Mini-program")

PAGE = 20


class CursorInvalid(Invalid):
    code, message = "cursor_invalid", "The cursor is not one that a list answered with."


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
    id = fields.String()
    kind = fields.String(metadata={"description": "earn, spend, expire, adjust or refund."})
    amount = fields.Integer()
    at = fields.AwareDateTime()


class PointsOut(Schema):
    balance = fields.Integer()
    items = fields.List(fields.Nested(EntryOut))
    next_cursor = fields.String(allow_none=True)


@bp.get("/me")
@bp.output(MeOut)
@bp.doc(summary="Who am I", security=auth.SECURITY, responses=[401])
def me() -> dict[str, Any]:
    """The shopper's membership at a glance; without one, only `bound: false`."""
    who = auth.shopper()
    member = members.member(who.brand_id, who.member_id) if who.member_id is not None else None
    if member is None:
        return {"bound": False, "member": None, "tier": None, "points": 0, "growth": 0, "coupons": {}}
    key = (who.brand_id, member.member_id)
    balances = points.balances(*key)
    return {
        "bound": member.bound_at is not None,
        "member": member_view(member),
        "tier": tiers.current(*key),
        "points": balances["points"],
        "growth": balances["growth"],
        "coupons": coupons.counts(*key),
    }


@bp.get("/points")
@bp.input(PointsIn, location="query")
@bp.output(PointsOut)
@bp.doc(summary="My points", security=auth.SECURITY, responses=[401, 403, 409])
def history(query_data: dict[str, Any]) -> dict[str, Any]:
    """The member's points, newest first."""
    who = auth.member()
    limit = query_data["limit"]
    entries = points.history(who.brand_id, who.member_id, before=_before(query_data["cursor"]), limit=limit + 1)
    shown, more = entries[:limit], len(entries) > limit
    return {
        "balance": points.balances(who.brand_id, who.member_id)["points"],
        "items": [
            {"id": ids.encode("jnl", one.journal_id), "kind": one.kind, "amount": one.amount, "at": one.at}
            for one in shown
        ],
        "next_cursor": _cursor(shown[-1]) if more else None,
    }


def _cursor(last: points.Entry) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.at.isoformat(), last.journal_id]).encode()).decode()


def _before(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    try:
        at, journal_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        place = datetime.fromisoformat(at)
    except (ValueError, TypeError, binascii.Error) as error:
        raise CursorInvalid() from error
    if type(journal_id) is not int or abs(journal_id) >= 1 << 63 or place.tzinfo is None:
        raise CursorInvalid()
    return place, journal_id
