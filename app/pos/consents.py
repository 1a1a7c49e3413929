"""A consent given on paper at the counter, reported by the till."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Boolean, Dict, String
from apiflask.validators import OneOf
from flask import g
from marshmallow import ValidationError, validates_schema

from app.core import clock, ids
from app.core.fields import PublicId
from app.core.idempotency import once, request_hash
from app.core.transaction import run
from app.flows.till_member import find_member
from app.privacy import commands as privacy
from app.privacy import queries
from app.privacy.rules import CHANNELS, PURPOSES

from .auth import idempotency_key, signed
from .checked import Text
from .members import SECURITY, NoSuchMember

blueprint = APIBlueprint("pos_consents", __name__, url_prefix="/api/pos/v1/consents", tag="pos")
_BY = ("phone", "number", "card_no")


class ConsentIn(Schema):
    """Exactly one of phone, number and card_no says who; `paper_no` is where the signed paper lies."""

    phone = Text(32)
    number = Text(32)
    card_no = Text(64)
    store = Text(64, required=True, metadata={"description": "The code of the store where it was signed."})
    purpose = String(required=True, validate=OneOf(PURPOSES))
    channel = String(load_default="any", validate=OneOf(CHANNELS))
    granted = Boolean(required=True)
    version = Text(40, load_default=None, allow_none=True)
    paper_no = Text(128, required=True)
    scan_digest = Text(64, load_default=None, allow_none=True, metadata={"description": "SHA-256 of a scan, in hex."})
    signed_at = AwareDateTime(load_default=None, allow_none=True)

    @validates_schema
    def _whole(self, data: dict[str, Any], **_: Any) -> None:
        if len(data.keys() & set(_BY)) != 1:
            raise ValidationError("Exactly one of phone, number, card_no is needed.")
        if data.get("signed_at") and data["signed_at"] > clock.now():
            raise ValidationError("A paper was signed in the past.", "signed_at")


class ConsentOut(Schema):
    """`new` is False when this paper was reported before; `channels`: what the purpose allows now."""

    member = PublicId("mbr", attribute="member_id")
    new = Boolean()
    channels = Dict(keys=String(), values=Boolean())


@blueprint.post("")
@signed
@blueprint.input(ConsentIn)
@blueprint.output(ConsentOut)
@blueprint.doc(summary="Report a consent given on paper", security=SECURITY, responses=[401, 404, 409])
def report(json_data: dict[str, Any]) -> dict[str, Any]:
    """The same paper counts once for a purpose and channel. Needs an Idempotency-Key."""
    key = idempotency_key()
    store = g.client.check_store(json_data["store"])
    brand_id = g.client.brand_id

    def work() -> dict[str, Any]:
        member = find_member(brand_id, **{name: json_data[name] for name in _BY if name in json_data})
        if member is None:
            raise NoSuchMember()
        scan = {"scan_digest": json_data["scan_digest"]} if json_data["scan_digest"] else {}
        new = privacy.record(
            brand_id=brand_id,
            person_id=member.person_id,
            purpose=json_data["purpose"],
            channel=json_data["channel"],
            granted=json_data["granted"],
            version=json_data["version"],
            at=json_data["signed_at"],
            source="till",
            ref=f"{json_data['paper_no']}:{json_data['purpose']}:{json_data['channel']}",
            evidence={"paper_no": json_data["paper_no"], "store": ids.encode("sto", store.store_id), **scan},
        )
        channels = queries.state(brand_id, member.person_id)[json_data["purpose"]]
        return {"member_id": member.member_id, "new": new, "channels": channels}

    digest = request_hash("consents.report", {**json_data, "signed_at": str(json_data["signed_at"])})
    return run(lambda: once(scope=g.client.key_scope, key=key, digest=digest, work=work))
