"""Members: search, and the gate to one. The page about one is in `profile`."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length

from app.core import audit, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.transaction import transaction
from app.dashboards.queries import members as queries
from app.members.models import Member

from . import scope
from .blueprint import api
from .lists import PAGE, PageIn


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


@api.get("/members")
@api.input(MembersIn, location="query", arg_name="asked")
@api.output(MembersOut)
@api.doc(summary="Find members", security="AdminToken", responses=[401, 403])
def members(asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first. A search by phone number is written to the audit log."""
    return listed(asked["q"], asked["cursor"], asked["limit"])


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


def seen(member_id: str) -> Member:
    """The member behind a public id, or NotFound."""
    found = queries.visible(scope.current().reach, ids.decode("mbr", member_id))
    if found is None:
        raise NotFound()
    return found
