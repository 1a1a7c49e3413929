"""Batches of redeem codes: order one, take its codes away once, void it. For headquarters only, and audited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, Range
from flask import Response, request, stream_with_context

from app.core import audit, clock, idempotency, ids, paging, sheets
from app.core.errors import Invalid
from app.core.fields import Page, PublicId
from app.core.transaction import reading, run, transaction
from app.coupons import codes, commands, queries, rules
from app.coupons.commands.redeem_codes import MOST
from app.coupons.errors import CampaignUnknown
from app.coupons.queries.issues import NamedBatch

from . import scope
from .blueprint import api
from .lists import PageIn
from .naming import decoded

COLUMNS = ("序号", "兑换码")


class BatchIn(Schema):
    campaign = fields.String(required=True, validate=Length(1, 40), metadata={"description": "cmp_..."})
    name = fields.String(required=True, validate=Length(1, 60))
    size = fields.Integer(required=True, validate=Range(1, MOST))
    ends_at = fields.AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": "Until when codes are exchanged; null: for ever."}
    )


class VoidIn(Schema):
    reason = fields.String(required=True, validate=Length(1, 200))


class BatchOut(Schema):
    """`exported_at`: when the plain codes were handed over and forgotten; `exports` counts every one that was begun."""

    id = PublicId("cdb", attribute="batch_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    campaign_name = fields.String()
    name = fields.String()
    status = fields.String(metadata={"description": "making, ready or voided."})
    size = fields.Integer()
    made = fields.Integer()
    ends_at = fields.AwareDateTime(allow_none=True)
    exports = fields.Integer()
    exported_at = fields.AwareDateTime(allow_none=True)
    created_by = fields.String()
    created_at = fields.AwareDateTime()


class OneBatchOut(BatchOut):
    used = fields.Integer(metadata={"description": "Codes that were exchanged."})


class BatchesOut(Page):
    items = fields.List(fields.Nested(BatchOut))


@api.get("/redeem-batches")
@api.input(PageIn, location="query", arg_name="asked")
@api.output(BatchesOut)
@api.doc(summary="Batches of redeem codes, newest first", security="AdminToken", responses=[401, 403])
def redeem_batches(asked: dict[str, Any]) -> dict[str, Any]:
    return listed(asked["cursor"], asked["limit"])


@api.post("/redeem-batches")
@api.input(BatchIn, arg_name="given")
@api.output(OneBatchOut, status_code=201)
@api.doc(summary="Order redeem codes", security="AdminToken", responses=[401, 403, 404, 409, 422])
def order_codes(given: dict[str, Any]) -> dict[str, Any]:
    """Needs an Idempotency-Key. Workers make the codes; the batch is `ready` when all are there. A code is good for one
    coupon while the campaign gives any.
    """
    return ordered(given, idempotency.checked_key(request.headers.get("Idempotency-Key")))


@api.get("/redeem-batches/<batch_id>")
@api.output(OneBatchOut)
@api.doc(summary="One batch of redeem codes", security="AdminToken", responses=[401, 403, 404])
def redeem_batch(batch_id: str) -> dict[str, Any]:
    return _told(_found(batch_id))


@api.post("/redeem-batches/<batch_id>/export")
@api.doc(
    summary="Take the codes away",
    security="AdminToken",
    responses={
        200: "A CSV file.", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
    },
)  # fmt: skip
def export_codes(batch_id: str) -> Response:
    """The plain codes, once, as CSV in UTF-8 with a byte-order mark; no cell can run as a formula or is taken for a
    number. When the last one was sent they are forgotten. One that broke off may be begun again ten minutes later.
    """
    return exported(batch_id)


@api.post("/redeem-batches/<batch_id>/void")
@api.input(VoidIn, arg_name="given")
@api.output(OneBatchOut)
@api.doc(summary="Void a batch of redeem codes", security="AdminToken", responses=[401, 403, 404, 409, 422])
def void_codes(batch_id: str, given: dict[str, str]) -> dict[str, Any]:
    """No code of it is exchanged from now on; coupons that were given for one stay. 409 when it is voided."""
    return voided(batch_id, given["reason"])


# ---- what the routes and the page share


def listed(cursor: str, limit: int) -> dict[str, Any]:
    """A page of the brand's batches."""
    found = queries.batches(scope.current().brand_id, before=paging.after_id(cursor), limit=limit + 1)
    page, next_cursor = paging.page(found, limit, lambda one: (one.batch.batch_id,))
    return {"items": [_line(one) for one in page], "next_cursor": next_cursor}


def ordered(given: dict[str, Any], key: str) -> dict[str, Any]:
    """Order a batch as the caller, once a key."""
    me = scope.current()
    campaign_id = decoded("cmp", given["campaign"], CampaignUnknown)
    if given["ends_at"] is not None and not clock.now() < given["ends_at"] <= rules.LATEST:
        raise Invalid("The end is in the past, or after 2099.", field="ends_at")

    def work() -> dict[str, Any]:
        batch = commands.order_codes(
            brand_id=me.brand_id,
            campaign_id=campaign_id,
            name=given["name"],
            size=given["size"],
            ends_at=given["ends_at"],
            created_by=me.actor,
        )
        subject = ids.encode("cdb", batch.batch_id)
        audit.record(actor=me.actor, action="redeem_codes.order", subject=subject, size=given["size"])
        return {"batch_id": batch.batch_id}

    digest = idempotency.request_hash("redeem_codes.order", given)
    answer = run(lambda: idempotency.once(scope=f"admin:{me.actor}", key=key, digest=digest, work=work))
    return _told(queries.batch(me.brand_id, answer["batch_id"]))


def exported(batch_id: str) -> Response:
    """The file of a batch's codes, and the beginning of its export."""
    me, which = scope.current(), _found(batch_id).batch.batch_id
    with transaction():
        batch = commands.begin_export(brand_id=me.brand_id, batch_id=which)
        subject = ids.encode("cdb", which)
        audit.record(
            actor=me.actor, action="redeem_codes.export", subject=subject, number=batch.exports, size=batch.size
        )
    response = Response(
        stream_with_context(_lines(me.brand_id, which, batch.size, me.actor)), mimetype="text/csv"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{subject}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def voided(batch_id: str, reason: str) -> dict[str, Any]:
    """Void a batch as the caller, for a reason."""
    me, which = scope.current(), _found(batch_id).batch.batch_id
    with transaction():
        commands.void_codes(brand_id=me.brand_id, batch_id=which)
        audit.record(actor=me.actor, action="redeem_codes.void", subject=ids.encode("cdb", which), reason=reason)
    return _told(_found(batch_id))


def _lines(brand_id: int, batch_id: int, size: int, actor: str) -> Iterator[str]:
    """The file piece by piece, as codes are sealed; at its end they are forgotten."""
    yield sheets.BOM + ",".join(COLUMNS) + "\r\n"
    number = 0
    while number < size:
        with reading():
            piece = commands.plain_codes(brand_id, batch_id, number + 1)
        if not piece:
            return  # it was voided meanwhile
        yield "".join(
            f"{count},{sheets.safe(codes.printed(code))}\r\n" for count, code in enumerate(piece, number + 1)
        )
        number += len(piece)
    with transaction():
        commands.end_export(brand_id=brand_id, batch_id=batch_id)
        audit.record(
            actor=actor, action="redeem_codes.exported", subject=ids.encode("cdb", batch_id), size=number
        )


def _found(batch_id: str) -> NamedBatch:
    return queries.batch(scope.current().brand_id, ids.decode("cdb", batch_id))


def _line(one: NamedBatch) -> dict[str, Any]:
    names = {column.key for column in type(one.batch).__table__.columns}
    return {name: getattr(one.batch, name) for name in names} | {"campaign_name": one.campaign}


def _told(one: NamedBatch) -> dict[str, Any]:
    used = queries.codes_used(one.batch.brand_id, [one.batch.batch_id])
    return _line(one) | {"used": used.get(one.batch.batch_id, 0)}
