"""Looking behind the mask of one's own customer: counted, limited, and told once."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf

from app.core import ids, transaction
from app.core.transaction import reading
from app.privacy import commands as privacy
from app.privacy.rules import REVEAL_FIELDS, REVEALS_A_DAY

from . import auth
from .blueprint import api
from .coupons import NotAMember
from .customer import followed

ROLE = "guide"


class RevealIn(Schema):
    field = fields.String(required=True, validate=OneOf(REVEAL_FIELDS))
    reason = fields.String(required=True, validate=Length(2, 200))


class RevealOut(Schema):
    field = fields.String()
    value = fields.String()
    most = fields.Integer(metadata={"description": "How many values a guide may see in one day."})


@api.post("/customers/<external_userid>/reveals")
@api.input(RevealIn)
@api.output(RevealOut)
@api.doc(summary="See a masked value", security=auth.SECURITY, responses=[401, 404, 409, 429])
def reveal(external_userid: str, json_data: dict[str, str]) -> dict[str, Any]:
    """The plain value, for a customer the guide follows; each call is counted, written down and audited."""
    guide = auth.guide()
    with reading():
        member = followed(guide, external_userid).member
    if member is None:
        raise NotAMember()
    value = transaction.run(
        lambda: privacy.reveal(
            member=member,
            field=json_data["field"],
            reason=json_data["reason"],
            actor=ids.encode("gde", guide.guide_id),
            role=ROLE,
        )
    )
    return {"field": json_data["field"], "value": value, "most": REVEALS_A_DAY[ROLE]}
