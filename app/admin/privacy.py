"""A member's privacy for the console: what they allow, who looked behind the masks, their copy, their erasure."""

from __future__ import annotations

import hashlib
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from flask import Response

from app.core import audit, clock, ids, transaction
from app.core.errors import Forbidden
from app.core.fields import PublicId
from app.flows import erase, export_person
from app.members.family import family
from app.members.models import Member
from app.privacy import commands as privacy
from app.privacy import queries
from app.privacy.models import PrivacyPolicy
from app.privacy.rules import CHANNELS, PURPOSES, REVEAL_FIELDS, REVEALS_A_DAY

from . import scope
from .blueprint import api
from .members import seen

HISTORY = 50
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


class RevealIn(Schema):
    field = fields.String(required=True, validate=OneOf(REVEAL_FIELDS))
    reason = fields.String(required=True, validate=Length(2, 200))


class RevealOut(Schema):
    field = fields.String()
    value = fields.String()
    most = fields.Integer(metadata={"description": "How many values the role may see in one day."})


class StatementOut(Schema):
    purpose = fields.String()
    channel = fields.String()
    granted = fields.Boolean()
    version = fields.String(allow_none=True)
    at = fields.AwareDateTime()
    source = fields.String()
    evidence = fields.Dict()


class LookOut(Schema):
    at = fields.AwareDateTime()
    actor = fields.String()
    role = fields.String()
    field = fields.String()
    reason = fields.String()


class ExportOut(Schema):
    id = PublicId("exp", attribute="export_id")
    actor = fields.String()
    status = fields.String()
    asked_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)
    size = fields.Integer(allow_none=True)


class ErasureOut(Schema):
    id = PublicId("ers", attribute="request_id")
    status = fields.String()
    asked_at = fields.AwareDateTime()
    due_at = fields.AwareDateTime(allow_none=True)
    done_at = fields.AwareDateTime(allow_none=True)


class ExportLineOut(ExportOut):
    """One of a list."""


class PrivacyOut(Schema):
    """`state`: what is allowed now, by purpose and channel; `consents`: what was said, newest first."""

    state = fields.Dict(keys=fields.String(), values=fields.Dict(keys=fields.String(), values=fields.Boolean()))
    consents = fields.List(fields.Nested(StatementOut))
    reveals = fields.List(fields.Nested(LookOut))
    exports = fields.List(fields.Nested(ExportLineOut))
    erasures = fields.List(fields.Nested(ErasureOut))


class ConsentIn(Schema):
    """A statement given on paper or by telephone; `paper_no` is where the proof lies."""

    purpose = fields.String(required=True, validate=OneOf(PURPOSES))
    channel = fields.String(load_default="any", validate=OneOf(CHANNELS))
    granted = fields.Boolean(required=True)
    version = fields.String(load_default=None, allow_none=True, validate=Length(1, 40))
    paper_no = fields.String(required=True, validate=Length(1, 128))


class ErasureIn(Schema):
    """`whole`: in every brand of the group, for users of the whole group only."""

    reason = fields.String(required=True, validate=Length(2, 200))
    whole = fields.Boolean(load_default=False)


class ErasedOut(Schema):
    id = PublicId("ers", attribute="request_id")
    whole = fields.Boolean()


class PolicyIn(Schema):
    version = fields.String(required=True, validate=Length(1, 40))
    text = fields.String(required=True, validate=Length(1, 200_000))
    url = fields.URL(load_default=None, allow_none=True, schemes={"https"})
    valid_from = fields.AwareDateTime(load_default=None, allow_none=True)


class PolicyOut(Schema):
    version = fields.String()
    digest = fields.String()
    url = fields.String(allow_none=True)
    valid_from = fields.AwareDateTime()


class PolicyLineOut(PolicyOut):
    """One of a list."""


class PoliciesOut(Schema):
    items = fields.List(fields.Nested(PolicyLineOut))


@api.post("/members/<member_id>/reveals")
@api.input(RevealIn, arg_name="given")
@api.output(RevealOut)
@api.doc(summary="Look behind a mask", security="AdminToken", responses=[401, 403, 404, 429])
def reveal(member_id: str, given: dict[str, str]) -> Any:
    """The plain value, once. Each call is counted against the role's day, written down with its reason, and audited."""
    return uncached(shown_value(member_id, given["field"], given["reason"]))


@api.get("/members/<member_id>/privacy")
@api.output(PrivacyOut)
@api.doc(summary="A member's privacy", security="AdminToken", responses=[401, 403, 404])
def member_privacy(member_id: str) -> dict[str, Any]:
    return about(seen(member_id))


@api.post("/members/<member_id>/consents")
@api.input(ConsentIn, arg_name="given")
@api.output(PrivacyOut, status_code=201)
@api.doc(summary="Note a statement given on paper", security="AdminToken", responses=[401, 403, 404])
def note_consent(member_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """The same paper for the same purpose and channel counts once."""
    member, me = seen(member_id), scope.current()
    paper = given.pop("paper_no")
    transaction.run(
        lambda: privacy.record(
            brand_id=member.brand_id,
            person_id=member.person_id,
            source="admin",
            ref=f"{paper}:{given['purpose']}:{given['channel']}",
            evidence={"paper_no": paper, "admin": me.actor},
            **given,
        )
    )
    return about(member)


@api.post("/members/<member_id>/exports")
@api.output(ExportOut, status_code=202)
@api.doc(summary="Make a copy of a member's data", security="AdminToken", responses=[401, 403, 404])
def ask_export(member_id: str) -> Any:
    return asked_export(seen(member_id))


@api.get("/members/<member_id>/exports/<export_id>/file")
@api.doc(
    summary="Fetch the copy",
    security="AdminToken",
    responses=ZIP_ANSWERS,
)
def export_file(member_id: str, export_id: str) -> Response:
    """The zip, for whoever asked for it, until it expires."""
    return fetched_export(seen(member_id), export_id)


@api.post("/members/<member_id>/erasure")
@api.input(ErasureIn, arg_name="given")
@api.output(ErasedOut)
@api.doc(summary="Erase a member", security="AdminToken", responses=[401, 403, 404, 409])
def erase_member(member_id: str, given: dict[str, Any]) -> Any:
    """At once and for good. Another brand's membership of the same person stays, unless `whole` is asked for."""
    return erased(seen(member_id), given["reason"], whole=given["whole"])


@api.get("/privacy/policies")
@api.output(PoliciesOut)
@api.doc(summary="Published privacy policies", security="AdminToken", responses=[401, 403])
def policies() -> dict[str, Any]:
    return {"items": queries.policies(scope.current().brand_id)}


@api.post("/privacy/policies")
@api.input(PolicyIn, arg_name="given")
@api.output(PolicyOut, status_code=201)
@api.doc(summary="Publish a privacy policy", security="AdminToken", responses=[401, 403, 409])
def publish_policy(given: dict[str, Any]) -> Any:
    """The text is kept as its SHA-256: what was agreed to can be shown, and cannot be changed afterwards."""
    me = scope.current()
    digest = hashlib.sha256(given["text"].encode()).hexdigest()

    def work() -> PrivacyPolicy:
        row = privacy.publish_policy(
            brand_id=me.brand_id,
            version=given["version"],
            digest=digest,
            url=given["url"],
            valid_from=given["valid_from"] or clock.now(),
        )
        told = {"version": row.version, "digest": digest}
        audit.record(actor=me.actor, action="privacy.policy_published", subject=ids.encode("brd", me.brand_id), **told)
        return row

    return transaction.run(work)


def shown_value(member_id: str, field: str, reason: str) -> dict[str, Any]:
    """One value in plain, for the API and the console alike."""
    member, me = seen(member_id), scope.current()
    value = transaction.run(
        lambda: privacy.reveal(member=member, field=field, reason=reason, actor=me.actor, role=me.role)
    )
    return {"field": field, "value": value, "most": REVEALS_A_DAY[me.role]}


def about(member: Member) -> dict[str, Any]:
    """What the privacy panel of a member shows, for the API and the console alike."""
    homes = family(member.brand_id, member.member_id).homes
    return {
        "state": queries.state(member.brand_id, member.person_id),
        "consents": queries.history(member.brand_id, member.person_id, limit=HISTORY),
        "reveals": queries.reveals(member.brand_id, homes, limit=HISTORY),
        "exports": queries.exports(member.brand_id, member.member_id),
        "erasures": queries.erasures(member.brand_id, member.person_id),
    }


def asked_export(member: Member) -> Any:
    actor = scope.current().actor
    return transaction.run(lambda: export_person.ask(brand_id=member.brand_id, member_id=member.member_id, actor=actor))


def fetched_export(member: Member, export_id: str) -> Response:
    actor, wanted = scope.current().actor, ids.decode("exp", export_id)
    content = transaction.run(
        lambda: privacy.fetch_export(
            brand_id=member.brand_id, member_id=member.member_id, export_id=wanted, actor=actor
        )
    )
    name = f"{ids.encode('mbr', member.member_id)}.zip"
    return uncached(
        Response(
            content,
            mimetype="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
    )


def erased(member: Member, reason: str, *, whole: bool = False) -> erase.Outcome:
    """Erase a member, or the person in every brand; Forbidden when a brand's own user asks for the latter."""
    me = scope.current()
    if whole and not me.group:
        raise Forbidden()
    who = {"person_id": member.person_id} if whole else {"member_id": member.member_id}
    return transaction.run(lambda: erase.erase(brand_id=me.brand_id, actor=me.actor, reason=reason, **who))


def uncached(answer: Any) -> Any:
    """The answer, which no cache may keep."""
    if isinstance(answer, Response):
        answer.headers["Cache-Control"] = "no-store"
        return answer
    return answer, 200, {"Cache-Control": "no-store"}
