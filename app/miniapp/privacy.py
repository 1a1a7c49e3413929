"""The shopper's own word: what may be done with their data, a copy of it, and being forgotten."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema, fields
from apiflask.validators import Length, OneOf
from flask import Response

from app.core import clock, ids, transaction
from app.core.errors import Conflict
from app.core.fields import PublicId
from app.flows import erase, export_person
from app.org import queries as org
from app.privacy import commands as privacy
from app.privacy import queries
from app.privacy.rules import CHANNELS, PURPOSES, SERVICE

from . import auth

ZIP_ANSWERS: Any = {
    200: {
        "description": "The zip.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    },
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
}

bp = APIBlueprint("miniapp_privacy", __name__, url_prefix="/api/miniapp/v1/privacy", tag="Mini-program")


class PolicyOutdated(Conflict):
    code, message = "policy_outdated", "Show the shopper the policy that is in force, and send its version."


class PolicyOut(Schema):
    version = fields.String()
    digest = fields.String(metadata={"description": "SHA-256 of the text, in hex."})
    url = fields.String(allow_none=True)
    valid_from = fields.AwareDateTime()


class PurposeOut(Schema):
    """`channels`: what is allowed now, channel by channel; `any` is what holds where no channel is named."""

    purpose = fields.String(metadata={"description": ", ".join(PURPOSES)})
    channels = fields.Dict(keys=fields.String(), values=fields.Boolean())


class ConsentsOut(Schema):
    policy = fields.Nested(PolicyOut, allow_none=True)
    purposes = fields.List(fields.Nested(PurposeOut))


class StatementIn(Schema):
    purpose = fields.String(required=True, validate=OneOf(PURPOSES))
    channel = fields.String(load_default="any", validate=OneOf(CHANNELS))
    granted = fields.Boolean(required=True)


class ConsentsIn(Schema):
    """`version`: of the policy that was shown; needed when something is granted."""

    version = fields.String(load_default=None, allow_none=True, validate=Length(1, 40))
    statements = fields.List(fields.Nested(StatementIn), required=True, validate=Length(1, 40))


class ExportOut(Schema):
    """`status`: asked (a worker makes it), ready (fetch the file until `expires_at`), expired."""

    id = PublicId("exp", attribute="export_id")
    status = fields.String()
    asked_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)
    size = fields.Integer(allow_none=True, metadata={"description": "Bytes."})


class ErasureIn(Schema):
    reason = fields.String(load_default="", validate=Length(max=200))


class ErasureOut(Schema):
    """`status`: asked (waits for the confirmation), confirmed (carried out at `due_at`), cancelled, done."""

    id = PublicId("ers", attribute="request_id")
    status = fields.String()
    asked_at = fields.AwareDateTime()
    due_at = fields.AwareDateTime(allow_none=True)


bp.before_request(auth.guard)


@bp.after_request
def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.get("/consents")
@bp.output(ConsentsOut)
@bp.doc(summary="What I allow", security=auth.SECURITY, responses=[401])
def consents() -> dict[str, Any]:
    """The policy in force and what the shopper allows, by purpose and channel."""
    who = auth.shopper()
    return _shown(who)


@bp.put("/consents")
@bp.input(ConsentsIn)
@bp.output(ConsentsOut)
@bp.doc(summary="Allow or refuse", security=auth.SECURITY, responses=[401, 409])
def say(json_data: dict[str, Any]) -> dict[str, Any]:
    """Each statement is kept for good; for a channel and a purpose the newest counts. A refusal takes effect at once.

    409 `policy_outdated` when something is granted under a policy that is not in force."""
    who = auth.shopper()

    def write() -> None:
        if any(one["granted"] for one in json_data["statements"]):
            in_force = queries.policy_in_force(who.brand_id)
            if in_force is None or in_force.version != json_data["version"]:
                raise PolicyOutdated(version=in_force.version if in_force else None)
        for one in json_data["statements"]:
            privacy.record(
                brand_id=who.brand_id,
                person_id=who.person_id,
                purpose=one["purpose"],
                channel=one["channel"],
                granted=one["granted"],
                version=json_data["version"] if one["granted"] else None,
                source="miniapp",
                evidence=_evidence(who.brand_id),
            )

    transaction.run(write)
    return _shown(who)


@bp.post("/withdrawal")
@bp.output(ConsentsOut)
@bp.doc(summary="Withdraw everything", security=auth.SECURITY, responses=[401])
def withdraw() -> dict[str, Any]:
    """Refuse every purpose but the service itself, on every channel."""
    who = auth.shopper()

    def write() -> None:
        for purpose in PURPOSES:
            if purpose != SERVICE:
                privacy.record(
                    brand_id=who.brand_id,
                    person_id=who.person_id,
                    purpose=purpose,
                    granted=False,
                    source="miniapp",
                    evidence=_evidence(who.brand_id),
                )

    transaction.run(write)
    return _shown(who)


@bp.post("/exports")
@bp.output(ExportOut, status_code=202)
@bp.doc(summary="Ask for a copy of my data", security=auth.SECURITY, responses=[401, 403, 409, 429])
def ask_export() -> Any:
    """A worker makes a zip of JSON and CSV files; one that is being made or ready is answered again."""
    who = auth.member()
    actor = ids.encode("mbr", who.member_id)
    return transaction.run(lambda: export_person.ask(brand_id=who.brand_id, member_id=who.member_id, actor=actor))


@bp.get("/exports/<export_id>")
@bp.output(ExportOut)
@bp.doc(summary="How my copy fares", security=auth.SECURITY, responses=[401, 403, 404, 409])
def export(export_id: str) -> Any:
    who = auth.member()
    return queries.export(who.brand_id, who.member_id, ids.decode("exp", export_id))


@bp.get("/exports/<export_id>/file")
@bp.doc(
    summary="Fetch my copy",
    security=auth.SECURITY,
    responses=ZIP_ANSWERS,
)
def export_file(export_id: str) -> Response:
    """The zip, until it expires; 404 afterwards, 409 while it is being made."""
    who = auth.member()
    actor = ids.encode("mbr", who.member_id)
    wanted = ids.decode("exp", export_id)
    content = transaction.run(
        lambda: privacy.fetch_export(brand_id=who.brand_id, member_id=who.member_id, export_id=wanted, actor=actor)
    )
    headers = {"Content-Disposition": 'attachment; filename="my-data.zip"'}
    return Response(content, mimetype="application/zip", headers=headers)


@bp.get("/erasure")
@bp.output(ErasureOut)
@bp.doc(summary="My wish to be forgotten", security=auth.SECURITY, responses=[401, 404])
def erasure() -> Any:
    who = auth.shopper()
    return queries.open_erasure(who.brand_id, who.person_id)


@bp.post("/erasure")
@bp.input(ErasureIn)
@bp.output(ErasureOut, status_code=201)
@bp.doc(summary="Ask to be forgotten", security=auth.SECURITY, responses=[401, 403, 409])
def ask_erasure(json_data: dict[str, str]) -> Any:
    """Nothing happens before it is confirmed. What will be lost: points, coupons and the tier; orders stay without a
    name."""
    who = auth.member()
    return transaction.run(
        lambda: privacy.ask_erasure(
            brand_id=who.brand_id,
            person_id=who.person_id,
            member_id=who.member_id,
            actor=ids.encode("mbr", who.member_id),
            reason=json_data["reason"],
        )
    )


@bp.post("/erasure/confirm")
@bp.output(ErasureOut)
@bp.doc(summary="Confirm it", security=auth.SECURITY, responses=[401, 404])
def confirm_erasure() -> Any:
    """Marketing ends now; the erasure is carried out when the days of grace are over, and can be cancelled until
    then."""
    who = auth.shopper()
    return transaction.run(lambda: erase.confirm(brand_id=who.brand_id, person_id=who.person_id))


@bp.delete("/erasure")
@bp.output(ErasureOut)
@bp.doc(summary="Cancel it", security=auth.SECURITY, responses=[401, 404, 409])
def cancel_erasure() -> Any:
    who = auth.shopper()
    return transaction.run(lambda: privacy.cancel_erasure(brand_id=who.brand_id, person_id=who.person_id))


def _shown(who: auth.Shopper) -> dict[str, Any]:
    allowed = queries.state(who.brand_id, who.person_id)
    return {
        "policy": queries.policy_in_force(who.brand_id, clock.now()),
        "purposes": [{"purpose": purpose, "channels": channels} for purpose, channels in allowed.items()],
    }


def _evidence(brand_id: int) -> dict[str, str]:
    account = org.account(brand_id, "miniprogram")
    return {"appid": account.namespace} if account is not None else {}
