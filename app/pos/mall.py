"""Mall accounts: the brand's mall says which phone and WeChat user an account belongs to."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Boolean, String
from apiflask.validators import Regexp
from flask import g
from marshmallow import ValidationError, validates_schema

from app.core import clock
from app.core.fields import PublicId
from app.core.idempotency import once, request_hash
from app.core.transaction import run
from app.flows.mall_account import DEFAULT_SYSTEM, tell
from app.sales.rules import EARLIEST

from .auth import idempotency_key, signed
from .checked import Text

blueprint = APIBlueprint("pos_mall", __name__, url_prefix="/api/pos/v1/mall-accounts", tag="pos")

SECURITY = "SiyuKey"
SYSTEM = r"[a-z0-9][a-z0-9_-]{0,31}"


class MallAccountIn(Schema):
    account = Text(64, required=True, metadata={"description": "The account's id in the mall; it never changes hands."})
    system = String(
        load_default=DEFAULT_SYSTEM,
        validate=Regexp(rf"^{SYSTEM}\Z"),
        metadata={"description": "Which mall, where a brand has several."},
    )
    phone = Text(32, load_default=None, allow_none=True)
    unionid = String(
        load_default=None,
        allow_none=True,
        validate=Regexp(r"^[0-9A-Za-z_-]{10,64}\Z"),
        metadata={"description": "As WeChat told the mall's own login, of the brand's Open Platform account."},
    )
    name = Text(64, load_default=None, allow_none=True)
    store = Text(64, load_default=None, allow_none=True, metadata={"description": "The code of the home store."})
    registered_at = AwareDateTime(load_default=None, allow_none=True)

    @validates_schema
    def _says_something(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("phone") is None and data.get("unionid") is None:
            raise ValidationError("A phone or a unionid is needed.")
        if data.get("registered_at") and not EARLIEST <= data["registered_at"] <= clock.now():
            raise ValidationError("An account was registered in the past.", "registered_at")


class MallAccountOut(Schema):
    member = PublicId("mbr", attribute="member_id")
    number = String()
    account = String()
    system = String()
    new = Boolean(metadata={"description": "False when the person was a member of the brand before."})
    review = Boolean(metadata={"description": "What was told contradicts what is known; a human will look."})


@blueprint.post("")
@signed
@blueprint.input(MallAccountIn)
@blueprint.output(MallAccountOut)
@blueprint.doc(summary="Tell of a mall account", security=SECURITY, responses=[401, 404, 409])
def tell_of_account(json_data: dict[str, Any]) -> dict[str, Any]:
    """The same again changes nothing. A phone or unionid of somebody else is not taken over: both stay apart, and
    `review` is true. Needs an Idempotency-Key."""
    key = idempotency_key()
    facts = {name: value for name, value in json_data.items() if name != "store"}
    if json_data["store"] is not None:
        facts["store_id"] = g.client.check_store(json_data["store"]).store_id

    def work() -> dict[str, Any]:
        told = tell(brand_id=g.client.brand_id, **facts)
        return {
            "member_id": told.member.member_id,
            "number": told.member.number,
            "account": json_data["account"],
            "system": json_data["system"],
            "new": told.new,
            "review": told.review,
        }

    return run(lambda: once(scope=g.client.key_scope, key=key, digest=request_hash("mall.tell", json_data), work=work))
