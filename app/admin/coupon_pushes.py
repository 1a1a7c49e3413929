"""Pushing a campaign to a segment: what would come of it, begin, watch, stop, go on."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, Range
from flask import request

from app.core import audit, idempotency, ids, paging
from app.core.fields import Page, PublicId
from app.core.transaction import reading, run, transaction
from app.coupons import commands, queries
from app.coupons.commands.push import MOST_HELD_OUT_BP
from app.coupons.errors import CampaignUnknown
from app.coupons.queries.issues import Named, given_by_push, held_out_of_push
from app.dashboards.queries import coupon_lift
from app.flows import push as pushes
from app.segments.errors import SegmentUnknown

from . import scope
from .blueprint import api
from .lists import PageIn
from .naming import decoded


class PushIn(Schema):
    campaign = fields.String(required=True, validate=Length(1, 40), metadata={"description": "cmp_..."})
    segment = fields.String(required=True, validate=Length(1, 40), metadata={"description": "seg_..."})
    hold_out_bp = fields.Integer(
        load_default=0,
        validate=Range(0, MOST_HELD_OUT_BP),
        metadata={"description": "The share kept out to compare with, in basis points of those who would get one."},
    )


class PreviewOut(Schema):
    """In members: `chosen` would get a coupon, of whom `unsold` find none left; each other is counted once."""

    audience = fields.Integer()
    chosen = fields.Integer()
    held_out = fields.Integer()
    opted_out = fields.Integer(metadata={"description": "Want no advertising."})
    limited = fields.Integer(metadata={"description": "Have all that one member may have."})
    left = fields.Integer(metadata={"description": "What the campaign may still give, today where days have a stock."})
    unsold = fields.Integer()


class PushOut(Schema):
    """`audience` is null until the segment was written down; the counts add up to it when the push is done."""

    id = PublicId("psh", attribute="push_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    campaign_name = fields.String()
    segment = PublicId("seg", attribute="segment_id")
    status = fields.String(metadata={"description": "running, stopped or done."})
    stop_reason = fields.String(
        allow_none=True,
        metadata={
            "description": "operator, sold_out, sold_out_today, store_needed, campaign_paused or campaign_closed."
        },
    )
    hold_out_bp = fields.Integer()
    audience = fields.Integer(allow_none=True)
    issued = fields.Integer()
    held_out = fields.Integer()
    opted_out = fields.Integer()
    limited = fields.Integer()
    gone = fields.Integer(metadata={"description": "Merged, frozen or erased since."})
    created_by = fields.String()
    created_at = fields.AwareDateTime()
    finished_at = fields.AwareDateTime(allow_none=True)
    correlation_id = fields.String()


class PushLineOut(PushOut):
    """One of a list."""


class PushesOut(Page):
    items = fields.List(fields.Nested(PushLineOut))


class LiftIn(Schema):
    days = fields.Integer(load_default=30, validate=Range(1, 366))


class GroupOut(Schema):
    members = fields.Integer()
    buyers = fields.Integer()
    paid_fen = fields.Integer(attribute="fen")
    currency = fields.Constant("CNY")


class IntervalOut(Schema):
    low = fields.Float()
    high = fields.Float()


class LiftOut(Schema):
    """`share`: by how much more of those who got it bought (0.02: 2 % of the members); `fen`: how much more each paid;
    null where a group is empty. Intervals are of 95 %, null where a group is too small to say.
    """

    got = fields.Nested(GroupOut)
    held_out = fields.Nested(GroupOut)
    share = fields.Float(allow_none=True)
    share_interval = fields.Nested(IntervalOut, allow_none=True)
    fen = fields.Float(allow_none=True)
    fen_interval = fields.Nested(IntervalOut, allow_none=True)


@api.get("/coupon-pushes")
@api.input(PageIn, location="query", arg_name="asked")
@api.output(PushesOut)
@api.doc(summary="Pushes of coupons, newest first", security="AdminToken", responses=[401, 403])
def coupon_pushes(asked: dict[str, Any]) -> dict[str, Any]:
    return listed(asked["cursor"], asked["limit"])


@api.post("/coupon-pushes/preview")
@api.input(PushIn, arg_name="given")
@api.output(PreviewOut)
@api.doc(summary="What a push would do", security="AdminToken", responses=[401, 403, 404, 422])
def preview_push(given: dict[str, Any]) -> Any:
    """Judged as the push judges, at this moment; nothing is written."""
    return previewed(given)


@api.post("/coupon-pushes")
@api.input(PushIn, arg_name="given")
@api.output(PushOut, status_code=201)
@api.doc(summary="Push a campaign to a segment", security="AdminToken", responses=[401, 403, 404, 409, 422])
def start_push(given: dict[str, Any]) -> dict[str, Any]:
    """Needs an Idempotency-Key. Whom the segment has at this moment is dealt with by workers, in chunks; `status` and
    the counts say how far they are.
    """
    return started(given, idempotency.checked_key(request.headers.get("Idempotency-Key")))


@api.get("/coupon-pushes/<push_id>")
@api.output(PushOut)
@api.doc(summary="One push and how far it is", security="AdminToken", responses=[401, 403, 404])
def coupon_push(push_id: str) -> dict[str, Any]:
    return shown(push_id)


@api.get("/coupon-pushes/<push_id>/lift")
@api.input(LiftIn, location="query", arg_name="asked")
@api.output(LiftOut)
@api.doc(summary="What a push changed", security="AdminToken", responses=[401, 403, 404])
def push_lift(push_id: str, asked: dict[str, int]) -> Any:
    """Who got the coupon against who was held out by chance, over the same days from the beginning of the push, whether
    or not the coupon was used. Without anybody held out there is nothing to compare with.
    """
    return lifted(push_id, asked["days"])


@api.post("/coupon-pushes/<push_id>/stop")
@api.output(PushOut)
@api.doc(summary="Stop a push", security="AdminToken", responses=[401, 403, 404, 409])
def stop_push(push_id: str) -> dict[str, Any]:
    """What was given stays given. 409 `push_ended` when it does not run."""
    return switched(push_id, "stop")


@api.post("/coupon-pushes/<push_id>/resume")
@api.output(PushOut)
@api.doc(summary="Go on with a stopped push", security="AdminToken", responses=[401, 403, 404, 409])
def resume_push(push_id: str) -> dict[str, Any]:
    """From the member at which it stopped, with whom the segment had at the start. 409 `push_ended` when it is not
    stopped.
    """
    return switched(push_id, "resume")


# ---- what the routes and the pages share


def listed(cursor: str, limit: int) -> dict[str, Any]:
    """A page of the brand's pushes."""
    found = queries.pushes(scope.current().brand_id, before=paging.after_id(cursor), limit=limit + 1)
    page, next_cursor = paging.page(found, limit, lambda one: (one.push.push_id,))
    return {"items": [_told(one) for one in page], "next_cursor": next_cursor}


def shown(push_id: str) -> dict[str, Any]:
    """One push of the brand."""
    return _told(_found(push_id))


def previewed(given: dict[str, Any]) -> pushes.Preview:
    """What a push would do now."""
    with reading():
        return pushes.preview(**_asked(given))


def started(given: dict[str, Any], key: str) -> dict[str, Any]:
    """Begin a push as the caller, once a key."""
    me, asked = scope.current(), _asked(given)

    def work() -> dict[str, Any]:
        push = pushes.start(**asked, created_by=me.actor)
        subject = ids.encode("psh", push.push_id)
        audit.record(actor=me.actor, action="coupons.push", subject=subject, **given)
        return {"push_id": push.push_id}

    digest = idempotency.request_hash("coupons.push", given)
    answer = run(lambda: idempotency.once(scope=f"admin:{me.actor}", key=key, digest=digest, work=work))
    return _told(queries.push(me.brand_id, answer["push_id"]))


def lifted(push_id: str, days: int) -> coupon_lift.Lift:
    """Who got the coupon against who was held out, over `days` from the beginning of the push."""
    push = _found(push_id).push
    key = (push.brand_id, push.push_id)
    return coupon_lift.lift(
        push.brand_id,
        got=given_by_push(*key),
        held_out=held_out_of_push(*key),
        since=push.created_at,
        days=days,
    )


def switched(push_id: str, action: str) -> dict[str, Any]:
    """Stop a push or go on with it, as the caller."""
    me, found = scope.current(), _found(push_id)
    command = commands.stop_push if action == "stop" else commands.resume_push
    with transaction():
        command(brand_id=me.brand_id, push_id=found.push.push_id)
        audit.record(actor=me.actor, action=f"coupons.push_{action}", subject=ids.encode("psh", found.push.push_id))
    return _told(_found(push_id))


def _found(push_id: str) -> Named:
    return queries.push(scope.current().brand_id, ids.decode("psh", push_id))


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "brand_id": scope.current().brand_id,
        "campaign_id": decoded("cmp", given["campaign"], CampaignUnknown),
        "segment_id": decoded("seg", given["segment"], SegmentUnknown),
        "hold_out_bp": given["hold_out_bp"],
    }


def _told(one: Named) -> dict[str, Any]:
    names = {column.key for column in type(one.push).__table__.columns}
    return {name: getattr(one.push, name) for name in names} | {"campaign_name": one.campaign}
