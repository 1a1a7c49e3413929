"""Members: search and the page about one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length

from app.core import audit, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.transaction import transaction
from app.dashboards.queries import members as queries
from app.dashboards.queries import timeline
from app.members.models import Member

from . import scope, wording
from .blueprint import api
from .lists import PAGE, PageIn

MOMENTS = 100


class MembersIn(PageIn):
    q = fields.String(
        load_default="",
        validate=Length(max=100),
        metadata={"description": "A whole phone number, member number or public id; empty lists the newest members."},
    )


class MemberLineOut(Schema):
    """Name and phone are masked."""

    id = PublicId("mbr", attribute="member_id")
    number = fields.String()
    name = fields.String()
    phone = fields.String()
    tier = fields.String()
    store = fields.String(attribute="store_name")
    guide = fields.String(attribute="guide_name")
    source = fields.String()
    status = fields.String()
    joined_at = fields.AwareDateTime()
    bound_at = fields.AwareDateTime(allow_none=True)


class MembersOut(Page):
    items = fields.List(fields.Nested(MemberLineOut))


class TierOut(Schema):
    code = fields.String()
    name = fields.String()
    since = fields.AwareDateTime()
    next_name = fields.String(allow_none=True)
    next_growth = fields.Integer(allow_none=True)


class MomentOut(Schema):
    at = fields.AwareDateTime()
    kind = fields.String()
    title = fields.String()
    detail = fields.String()
    data = fields.Dict()
    correlation_id = fields.String(allow_none=True)


class MemberOut(Schema):
    """A member from all sides. The phone is masked; `ids` are the kinds of ids linked to the person."""

    id = PublicId("mbr", attribute="member_id")
    person = PublicId("prs", attribute="person_id")
    number = fields.String()
    card_no = fields.String(allow_none=True)
    name = fields.String()
    phone = fields.String()
    status = fields.String()
    source = fields.String()
    store = fields.String(attribute="store_name")
    guide = fields.String(attribute="guide_name")
    joined_at = fields.AwareDateTime()
    bound_at = fields.AwareDateTime(allow_none=True)
    tier = fields.Nested(TierOut, allow_none=True)
    points = fields.Integer()
    growth = fields.Integer()
    coupons = fields.Dict(keys=fields.String(), values=fields.Integer())
    orders = fields.Integer()
    paid_fen = fields.Integer()
    currency = fields.Constant("CNY")
    last_order_at = fields.AwareDateTime(allow_none=True)
    ids = fields.List(fields.String(), attribute="kinds")
    tags = fields.List(fields.String())
    timeline = fields.List(fields.Nested(MomentOut))


@api.get("/members")
@api.input(MembersIn, location="query", arg_name="asked")
@api.output(MembersOut)
@api.doc(summary="Find members", security="AdminToken", responses=[401, 403])
def members(asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first. A search by phone number is written to the audit log."""
    return listed(asked["q"], asked["cursor"], asked["limit"])


@api.get("/members/<member_id>")
@api.output(MemberOut)
@api.doc(summary="One member with history", security="AdminToken", responses=[401, 403, 404])
def member(member_id: str) -> dict[str, Any]:
    """The profile and the newest hundred moments. The reading is written to the audit log."""
    profile, moments = shown(member_id)
    return {**vars(profile), "timeline": moments}


def listed(text: str, cursor: str, limit: int = PAGE) -> dict[str, Any]:
    """A page of members as far as the caller sees, for the API and the console alike."""
    reach = scope.current().reach
    if text.startswith("mbr_"):
        found = queries.visible(reach, ids.decode("mbr", text))
        text = found.number if found else "-"
    if text:
        if queries.is_phone(text):
            with transaction():
                audit.record(actor=scope.current().actor, action="members.phone_search", subject="member")
        return {"items": queries.find(reach, text), "next_cursor": None}
    lines = queries.newest(reach, after=paging.after(cursor), limit=limit + 1)
    page, next_cursor = paging.page(lines, limit, lambda line: (line.joined_at, line.member_id))
    return {"items": page, "next_cursor": next_cursor}


def shown(member_id: str) -> tuple[queries.Profile, list[dict[str, Any]]]:
    """One member and the moments in words; NotFound when the caller does not see them."""
    found = seen(member_id)
    with transaction():
        audit.record(actor=scope.current().actor, action="members.viewed", subject=ids.encode("mbr", found.member_id))
    moments = timeline.of(found, before=None, limit=MOMENTS)
    return queries.profile(found), [
        {**asdict(one), "title": wording.moment_title(one), "detail": wording.moment_detail(one)} for one in moments
    ]


def seen(member_id: str) -> Member:
    """The member behind a public id, or NotFound."""
    found = queries.visible(scope.current().reach, ids.decode("mbr", member_id))
    if found is None:
        raise NotFound()
    return found
