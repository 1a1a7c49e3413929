"""Channel codes: what each brought, new ones for stores and guides, changes, and the picture to print."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from flask import Response, redirect, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError, validates_schema

from app.channels.codes import commands, rules
from app.channels.codes.errors import CodeUnknown
from app.core import audit, clock, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.idempotency import checked_key, once, request_hash
from app.core.transaction import reading, run
from app.dashboards.queries import channel_codes as queries
from app.flows import order_codes
from app.flows.code_picture import picture
from app.flows.order_codes import Target, TargetInvalid, Wish

from . import scope
from .blueprint import api
from .lists import PageIn


class CodesIn(PageIn):
    q = fields.String(load_default="", validate=Length(max=60), metadata={"description": "Of name, purpose or state."})
    status = fields.String(load_default=None, allow_none=True, validate=OneOf(queries.STATUSES))
    kind = fields.String(load_default=None, allow_none=True, validate=OneOf(rules.KINDS))


class BroughtOut(Schema):
    """`added` and `opened` count arrivals, `lost` the relations that ended; `orders` and `paid_fen` are of 30 days
    after somebody came, in the caller's stores.
    """

    added = fields.Integer()
    opened = fields.Integer()
    lost = fields.Integer()
    people = fields.Integer()
    members = fields.Integer()
    orders = fields.Integer()
    paid_fen = fields.Integer()
    currency = fields.Constant("CNY")


class CodeOut(Schema):
    id = PublicId("chc", attribute="id")
    kind = fields.String(metadata={"description": "contact_way, link or miniprogram."})
    name = fields.String()
    purpose = fields.String()
    state = fields.String(metadata={"description": "What comes back with every customer; of a mini-program its scene."})
    store = fields.String(attribute="store_name", allow_none=True)
    guide = fields.String(attribute="guide_name", allow_none=True)
    users = fields.List(fields.String())
    skip_verify = fields.Boolean()
    tag_ids = fields.List(fields.String())
    page = fields.String()
    valid_until = fields.AwareDateTime(allow_none=True)
    status = fields.String(metadata={"description": "ordered, live, failed or retired."})
    error = fields.String(allow_none=True, metadata={"description": "Why WeCom refused the last change."})
    url = fields.String(attribute="qr_code", allow_none=True)
    created_at = fields.AwareDateTime()
    brought = fields.Nested(BroughtOut)


class CodeLineOut(CodeOut):
    """One of the list."""


class CodesOut(Page):
    items = fields.List(fields.Nested(CodeLineOut))


class TargetIn(Schema):
    store = fields.String(load_default=None, allow_none=True, validate=Length(1, 64))
    guide = fields.String(load_default=None, allow_none=True, validate=Length(1, 64))
    users = fields.List(fields.String(validate=Length(1, 64)), load_default=list, validate=Length(max=500))
    state = fields.String(load_default=None, allow_none=True, validate=Length(3, 30))


class OrderIn(Schema):
    """Either `targets`, or `each` for one code a store or guide of the caller's."""

    kind = fields.String(load_default="contact_way", validate=OneOf(rules.KINDS))
    name = fields.String(required=True, validate=Length(1, 60))
    purpose = fields.String(load_default="", validate=Length(max=60))
    targets = fields.List(fields.Nested(TargetIn), load_default=list, validate=Length(max=rules.MAX_BATCH))
    each = fields.String(load_default=None, allow_none=True, validate=OneOf(("store", "guide")))
    skip_verify = fields.Boolean(load_default=True)
    tag_ids = fields.List(fields.String(validate=Length(1, 64)), load_default=list, validate=Length(max=rules.MAX_TAGS))
    welcome = fields.String(load_default=None, allow_none=True, validate=Length(1, 60))
    page = fields.String(load_default="", validate=Length(max=128))
    valid_until = fields.AwareDateTime(load_default=None, allow_none=True)

    @validates_schema
    def _whom(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data.get("targets")) == bool(data.get("each")):
            raise ValidationError("Either targets or each is needed.", "targets")
        if data.get("valid_until") and data["valid_until"] <= clock.now():
            raise ValidationError("The end is in the past.", "valid_until")


class OrderedCodeOut(Schema):
    id = PublicId("chc", attribute="id")
    name = fields.String()
    state = fields.String()
    status = fields.String()


class OrderedOut(Schema):
    items = fields.List(fields.Nested(OrderedCodeOut))


class ChangeIn(Schema):
    name = fields.String(validate=Length(1, 60))
    purpose = fields.String(validate=Length(max=60))
    users = fields.List(fields.String(validate=Length(1, 64)), validate=Length(1, 500))
    skip_verify = fields.Boolean()
    tag_ids = fields.List(fields.String(validate=Length(1, 64)), validate=Length(max=rules.MAX_TAGS))
    valid_until = fields.AwareDateTime(allow_none=True)


@api.get("/channel-codes")
@api.input(CodesIn, location="query", arg_name="asked")
@api.output(CodesOut)
@api.doc(summary="Channel codes of the caller's stores, and what they brought", security="AdminToken", responses=[401])
def channel_codes(asked: dict[str, Any]) -> dict[str, Any]:
    return listed(asked)


@api.post("/channel-codes")
@api.input(OrderIn, arg_name="given")
@api.output(OrderedOut, status_code=201)
@api.doc(summary="Ask for channel codes", security="AdminToken", responses=[401, 403, 404, 409, 422])
def order_channel_codes(given: dict[str, Any]) -> dict[str, Any]:
    """Needs an Idempotency-Key. Codes are made at WeCom soon after; `status` says when they are live."""
    key = checked_key(request.headers.get("Idempotency-Key"))
    return ordered(given, key)


@api.get("/channel-codes/<code_id>")
@api.output(CodeOut)
@api.doc(summary="One channel code", security="AdminToken", responses=[401, 403, 404])
def channel_code(code_id: str) -> dict[str, Any]:
    return shown(seen(code_id))


@api.patch("/channel-codes/<code_id>")
@api.input(ChangeIn, arg_name="given")
@api.output(CodeOut)
@api.doc(summary="Change a channel code", security="AdminToken", responses=[401, 403, 404, 409, 422])
def change_channel_code(code_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Its QR code stays the same. A code WeCom refused is asked for again."""
    me, line = scope.current(), seen(code_id)
    if given.get("valid_until") and given["valid_until"] <= clock.now():
        raise TargetInvalid("The end is in the past.", field="valid_until")

    def work() -> None:
        order_codes.check_users(me.brand_id, given.get("users", ()), me.reach.store_ids)
        commands.change_code(brand_id=me.brand_id, code_id=line.code.id, changes=given)
        subject = ids.encode("chc", line.code.id)
        audit.record(actor=me.actor, action="codes.change", subject=subject, fields=sorted(given))

    run(work)
    return shown(seen(code_id))


@api.post("/channel-codes/<code_id>/retire")
@api.output(CodeOut)
@api.doc(summary="Take a channel code out of use", security="AdminToken", responses=[401, 403, 404])
def retire_channel_code(code_id: str) -> dict[str, Any]:
    """For good: printed QR codes lead nowhere afterwards. What it brought stays counted."""
    retire(code_id)
    return shown(seen(code_id))


@api.get("/channel-codes/<code_id>/picture")
@api.doc(
    summary="The QR code to print",
    security="AdminToken",
    responses={
        200: "A PNG or JPEG picture.",
        302: "Where WeCom keeps it.",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        409: "Conflict",
        503: "Service Unavailable",
    },
)
def channel_code_picture(code_id: str) -> ResponseReturnValue:
    """A picture, or a redirect to WeCom's."""
    return shown_picture(code_id)


def listed(asked: dict[str, Any]) -> dict[str, Any]:
    """A page of codes, for the API and the console alike."""
    limit = asked["limit"]
    lines = queries.codes(
        scope.current().reach,
        status=asked["status"],
        kind=asked["kind"],
        text_in=asked["q"],
        after=paging.after(asked["cursor"]),
        limit=limit + 1,
    )
    page, next_cursor = paging.page(lines, limit, lambda line: (line.code.created_at, line.code.id))
    return {"items": [shown(line) for line in page], "next_cursor": next_cursor}


def ordered(given: dict[str, Any], key: str) -> dict[str, Any]:
    """Ask for codes as the caller, once a key."""
    me = scope.current()
    wish = Wish(
        **{name: given[name] for name in ("kind", "name", "purpose", "skip_verify", "welcome", "page", "valid_until")},
        tag_ids=tuple(given["tag_ids"]),
    )

    def work() -> dict[str, Any]:
        if given["each"]:
            targets = order_codes.each(me.brand_id, given["each"], me.reach.store_ids)
        else:
            targets = [Target(**{**one, "users": tuple(one["users"])}) for one in given["targets"]]
        if not 1 <= len(targets) <= rules.MAX_BATCH:
            raise TargetInvalid(f"1 to {rules.MAX_BATCH} codes at a time.", field="targets", count=len(targets))
        made = order_codes.order(
            brand_id=me.brand_id, wish=wish, targets=targets, store_ids=me.reach.store_ids, created_by=me.actor
        )
        subject = ids.encode("chc", made[0].id)
        audit.record(actor=me.actor, action="codes.order", subject=subject, count=len(made), name=wish.name)
        return {"items": [{"id": one.id, "name": one.name, "state": one.state, "status": one.status} for one in made]}

    digest = request_hash("codes.order", given)
    return run(lambda: once(scope=f"admin:{me.admin_id}:{me.brand_id}", key=key, digest=digest, work=work))


def retire(code_id: str) -> None:
    """Take a code the caller sees out of use."""
    me, line = scope.current(), seen(code_id)

    def work() -> None:
        commands.retire_code(brand_id=me.brand_id, code_id=line.code.id)
        audit.record(actor=me.actor, action="codes.retire", subject=ids.encode("chc", line.code.id))

    run(work)


def seen(code_id: str) -> queries.CodeLine:
    """A code within the caller's stores; CodeUnknown."""
    try:
        found = queries.code(scope.current().reach, ids.decode("chc", code_id))
    except NotFound:
        raise CodeUnknown() from None
    if found is None:
        raise CodeUnknown()
    return found


def shown(line: queries.CodeLine) -> dict[str, Any]:
    """A code as the API answers and the page shows it."""
    code = line.code
    facts = (
        "id", "kind", "name", "purpose", "state", "users", "skip_verify", "tag_ids", "page", "valid_until", "status",
        "error", "qr_code", "created_at",
    )  # fmt: skip
    return {
        **{name: getattr(code, name) for name in facts},
        "store_name": line.store_name,
        "guide_name": line.guide_name,
        "brought": line.brought,
    }


def shown_picture(code_id: str) -> ResponseReturnValue:
    """The picture, for the API and the console alike; WeChat may be asked for it, so nothing is held open."""
    with reading():
        code = seen(code_id).code
    found = picture(code)
    if found.url is not None:
        return redirect(found.url)
    headers = {"Content-Disposition": f'inline; filename="{code.state}"', "X-Content-Type-Options": "nosniff"}
    return Response(found.content, mimetype=found.mimetype, headers=headers)
