"""One member from all sides: the profile, its timeline, tags put on and taken off, another home store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core import audit, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.transaction import transaction
from app.dashboards.queries import profile, timeline
from app.members import commands as members
from app.members.models import Member
from app.org import queries as org
from app.segments import commands as segments
from app.segments import queries as segment_queries

from . import scope, wording
from .blueprint import api
from .console import console
from .lists import PageIn
from .members import seen

MOMENTS = 50


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


class MomentsOut(Page):
    items = fields.List(fields.Nested(MomentOut))


class IdentityOut(Schema):
    """`value` is masked; `merged`: the id came with another person who was merged into this one."""

    kind = fields.String()
    namespace = fields.String()
    value = fields.String()
    source = fields.String()
    at = fields.AwareDateTime()
    merged = fields.Boolean()


class HeldTagOut(Schema):
    """`source` is whose word the tag is: manual, rule, wecom or import."""

    id = PublicId("tag", attribute="tag_id")
    group = fields.String(attribute="group_name")
    name = fields.String()
    kind = fields.String()
    source = fields.String()
    said_by = fields.String()
    at = fields.AwareDateTime()


class ChangeOut(Schema):
    """`kind` is guide, home_store, follow or arrival."""

    kind = fields.String()
    at = fields.AwareDateTime()
    name = fields.String()
    reason = fields.String()


class TraitsOut(Schema):
    """Made from the orders; money in fen net of refunds. Scores are 1 (low) to 5, null before the first order."""

    orders_count = fields.Integer()
    net_paid_fen = fields.Integer()
    avg_fen = fields.Integer()
    refunds = fields.Integer()
    first_paid_at = fields.AwareDateTime(allow_none=True)
    last_paid_at = fields.AwareDateTime(allow_none=True)
    last_store = fields.String(allow_none=True)
    favourite_category = fields.String(allow_none=True)
    recency = fields.Integer(allow_none=True)
    frequency = fields.Integer(allow_none=True)
    monetary = fields.Integer(allow_none=True)
    lifecycle = fields.String()
    refreshed_at = fields.AwareDateTime()


class MemberOut(Schema):
    """A member from all sides. Name and phone are masked; `ids` are the kinds of ids linked to the person."""

    id = PublicId("mbr", attribute="member_id")
    person = PublicId("prs", attribute="person_id")
    number = fields.String()
    card_no = fields.String(allow_none=True)
    name = fields.String()
    phone = fields.String()
    gender = fields.Integer(metadata={"description": "0 unknown, 1 male, 2 female."})
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
    traits = fields.Nested(TraitsOut, allow_none=True)
    ids = fields.List(fields.String(), attribute="kinds")
    identities = fields.List(fields.Nested(IdentityOut))
    tags = fields.List(fields.Nested(HeldTagOut))
    history = fields.List(fields.Nested(ChangeOut))
    consents = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Boolean()),
        metadata={"description": "What the member allows, by purpose and channel."},
    )
    timeline = fields.List(fields.Nested(MomentOut))


class TagIn(Schema):
    tag = fields.String(required=True, validate=Length(1, 40), metadata={"description": "The tag's id."})


class HomeIn(Schema):
    store = fields.String(required=True, validate=Length(1, 60), metadata={"description": "The store's code."})
    reason = fields.String(required=True, validate=Length(1, 100))


class TagsOut(Schema):
    tags = fields.List(fields.Nested(HeldTagOut))


class HomeOut(Schema):
    store = fields.String()
    moved = fields.Boolean(metadata={"description": "False when it was the member's home already."})


@api.get("/members/<member_id>")
@api.output(MemberOut)
@api.doc(summary="One member from all sides", security="AdminToken", responses=[401, 403, 404])
def member(member_id: str) -> dict[str, Any]:
    """The profile and the newest fifty moments. The reading is written to the audit log."""
    found, moments = shown(member_id)
    return {**vars(found), "kinds": found.kinds, "timeline": [_moment(one) for one in moments[:MOMENTS]]}


@api.get("/members/<member_id>/timeline")
@api.input(PageIn, location="query", arg_name="asked")
@api.output(MomentsOut)
@api.doc(summary="What happened to a member", security="AdminToken", responses=[401, 403, 404])
def member_timeline(member_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first."""
    moments, next_cursor = _page(seen(member_id), asked["cursor"], asked["limit"])
    return {"items": [_moment(one) for one in moments], "next_cursor": next_cursor}


@api.post("/members/<member_id>/tags")
@api.input(TagIn, arg_name="given")
@api.output(TagsOut)
@api.doc(summary="Put a tag on a member", security="AdminToken", responses=[401, 403, 404])
def tag_member(member_id: str, given: dict[str, str]) -> dict[str, Any]:
    """A tag put on by hand stays until somebody takes it off, whatever a rule says."""
    return {"tags": _tag(member_id, given["tag"], put=True)}


@api.delete("/members/<member_id>/tags/<tag_id>")
@api.output(TagsOut)
@api.doc(summary="Take a tag off a member", security="AdminToken", responses=[401, 403, 404])
def untag_member(member_id: str, tag_id: str) -> dict[str, Any]:
    """A tag taken off by hand is not put back by a rule until what the rule looks at has changed."""
    return {"tags": _tag(member_id, tag_id, put=False)}


@api.post("/members/<member_id>/home-store")
@api.input(HomeIn, arg_name="given")
@api.output(HomeOut)
@api.doc(summary="Give a member another home store", security="AdminToken", responses=[401, 403, 404])
def move_home_store(member_id: str, given: dict[str, str]) -> dict[str, Any]:
    """To a store that the caller sees; the guide stays. The history keeps who moved the member, when and why."""
    return {"store": given["store"], "moved": _move(member_id, given["store"], given["reason"])}


@console.get("/members/<member_id>", endpoint="member")
def member_page(member_id: str) -> str:
    found, moments = shown(member_id)
    held = {tag.tag_id for tag in found.tags}
    me = scope.current()
    return render_template(
        "console/member.html",
        one=found,
        moments=moments[:MOMENTS],
        more=_cursor(moments),
        free_tags=[tag for tag in segment_queries.tags(me.brand_id) if tag.tag_id not in held],
        stores=[store for store in org.stores(me.brand_id) if me.reach.covers(store.id)],
    )


@console.get("/members/<member_id>/timeline", endpoint="member_timeline")
def timeline_part(member_id: str) -> str:
    """More of the timeline, as a piece of the page."""
    moments, more = _page(seen(member_id), request.args.get("cursor", "")[:200], MOMENTS)
    return render_template("console/_moments.html", member_id=ids.decode("mbr", member_id), moments=moments, more=more)


@console.post("/members/<member_id>/tags", endpoint="tag_member")
def tag_on_page(member_id: str) -> ResponseReturnValue:
    put = request.form.get("act") == "put"
    _tag(member_id, request.form.get("tag", "")[:40], put=put)
    return redirect(url_for("console.member", member_id=member_id))


@console.post("/members/<member_id>/home-store", endpoint="move_home_store")
def move_on_page(member_id: str) -> ResponseReturnValue:
    reason = request.form.get("reason", "").strip()[:100]
    _move(member_id, request.form.get("store", "")[:60], reason or "console")
    return redirect(url_for("console.member", member_id=member_id))


def shown(member_id: str) -> tuple[profile.Profile, list[timeline.Moment]]:
    """One member and one moment more than a page; NotFound when the caller does not see them."""
    found = seen(member_id)
    with transaction():
        audit.record(actor=scope.current().actor, action="members.viewed", subject=ids.encode("mbr", found.member_id))
    return profile.of(found), timeline.of(found, limit=MOMENTS + 1)


def _page(found: Member, cursor: str, limit: int) -> tuple[Sequence[timeline.Moment], str | None]:
    moments = timeline.of(found, after=_place(cursor), limit=limit + 1)
    return paging.page(moments, limit, lambda one: one.place)


def _cursor(moments: Sequence[timeline.Moment]) -> str | None:
    return paging.page(moments, MOMENTS, lambda one: one.place)[1]


def _place(cursor: str) -> timeline.Place | None:
    match paging.place(cursor):
        case None:
            return None
        case [datetime() as at, int() as ref, int() as nr]:
            return timeline.Place(at, ref, nr)
    raise paging.CursorInvalid()


def _moment(one: timeline.Moment) -> dict[str, Any]:
    told = {"title": wording.moment_title(one), "detail": wording.moment_detail(one)}
    return {"at": one.at, "kind": one.kind, "data": one.data, "correlation_id": one.correlation_id, **told}


def _tag(member_id: str, tag: str, *, put: bool) -> list[segment_queries.HeldTag]:
    me, found, tag_id = scope.current(), seen(member_id), ids.decode("tag", tag)
    act = segments.put if put else segments.take_off
    with transaction():
        changed = act(
            brand_id=found.brand_id, member_id=found.member_id, tag_ids=[tag_id], source="manual", said_by=me.actor
        )
        if changed:
            action = "members.tagged" if put else "members.untagged"
            audit.record(actor=me.actor, action=action, subject=ids.encode("mbr", found.member_id), tag=tag)
    return segment_queries.tags_of(found.brand_id, found.member_id)


def _move(member_id: str, code: str, reason: str) -> bool:
    me, found = scope.current(), seen(member_id)
    store = org.store_by_code(found.brand_id, code)
    if store is None or not me.reach.covers(store.id):
        raise NotFound()
    with transaction():
        moved = members.move_home_store(
            brand_id=found.brand_id, member_id=found.member_id, store_id=store.id, reason=reason, moved_by=me.actor
        )
        if moved:
            subject = ids.encode("mbr", found.member_id)
            audit.record(actor=me.actor, action="members.moved", subject=subject, store=code)
    return moved
