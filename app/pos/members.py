"""Members at the till: open or import a store card, and look someone up."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import AwareDateTime, Boolean, Date, Integer, Nested, String
from apiflask.validators import Regexp
from flask import g
from marshmallow import ValidationError, validates_schema

from app.core import clock, crypto
from app.core.errors import NotFound
from app.core.fields import PublicId
from app.core.idempotency import once, request_hash
from app.core.transaction import run, transaction
from app.coupons import queries as coupons
from app.flows.till_member import find_member, open_card
from app.identity import queries as identity
from app.members.models import Member
from app.members.rules import NAME_CONTEXT, masked_phone
from app.points import queries as points
from app.sales.rules import EARLIEST
from app.tiers import queries as tiers

from .auth import idempotency_key, signed
from .checked import Text
from .mall import SYSTEM

blueprint = APIBlueprint("pos_members", __name__, url_prefix="/api/pos/v1/members", tag="pos")

SECURITY = "SiyuKey"


class NoSuchMember(NotFound):
    code, message = "member_unknown", "The brand has no such member."


class CardIn(Schema):
    card_no = Text(64, required=True)
    phone = Text(32, required=True)
    store = Text(64, required=True, metadata={"description": "The code of the store that opened the card."})
    name = Text(64, load_default=None, allow_none=True)
    birthday = Date(load_default=None, allow_none=True)
    opened_at = AwareDateTime(
        load_default=None, allow_none=True, metadata={"description": "When the card was opened, for an import."}
    )

    @validates_schema
    def _in_the_past(self, data: dict[str, Any], **_: Any) -> None:
        now = clock.now()
        if data.get("opened_at") and data["opened_at"] > now:
            raise ValidationError("A card was opened in the past.", "opened_at")
        if data.get("opened_at") and data["opened_at"] < EARLIEST:
            raise ValidationError("A card was not opened before there were tills.", "opened_at")
        if data.get("birthday") and data["birthday"] > now.date():
            raise ValidationError("A birthday is in the past.", "birthday")


class CardOut(Schema):
    member = PublicId("mbr", attribute="member_id")
    number = String()
    card_no = String()
    new = Boolean(metadata={"description": "False when the person was a member of the brand before."})
    review = Boolean(metadata={"description": "The card and the phone contradict what is known; a human will look."})


class MemberQuery(Schema):
    phone = Text(32)
    number = Text(32)
    card_no = Text(64)
    mall_account = Text(64)
    mall_system = String(validate=Regexp(rf"^{SYSTEM}\Z"), metadata={"description": "Of mall_account; default mall."})

    @validates_schema
    def _names_someone(self, data: dict[str, Any], **_: Any) -> None:
        if len(data.keys() - {"mall_system"}) != 1:
            raise ValidationError("Exactly one of phone, number, card_no, mall_account is needed.")


class MemberTier(Schema):
    code = String()
    name = String()
    since = String()
    next_name = String(allow_none=True)
    next_growth = Integer(allow_none=True)


class MemberOut(Schema):
    member = PublicId("mbr", attribute="member_id")
    number = String()
    card_no = String(allow_none=True)
    name = String(allow_none=True, metadata={"description": "Masked."})
    phone = String(allow_none=True, metadata={"description": "Masked."})
    status = String()
    tier = Nested(MemberTier, allow_none=True)
    points = Integer()
    growth = Integer(metadata={"description": "Of the window that decides the tier."})
    coupons = Integer(metadata={"description": "How many may be used now."})


@blueprint.post("")
@signed
@blueprint.input(CardIn)
@blueprint.output(CardOut)
@blueprint.doc(summary="Open or import a store card", security=SECURITY, responses=[401, 404, 409])
def open_store_card(json_data: dict[str, Any]) -> dict[str, Any]:
    """The same card again changes nothing. A phone that belongs to someone with another card is not taken over: both
    stay apart, and `review` is true. Needs an Idempotency-Key."""
    key = idempotency_key()
    store = g.client.check_store(json_data["store"])

    def work() -> dict[str, Any]:
        facts = {name: value for name, value in json_data.items() if name != "store"}
        opened = open_card(brand_id=g.client.brand_id, store_id=store.store_id, **facts)
        return {
            "member_id": opened.member.member_id,
            "number": opened.member.number,
            "card_no": json_data["card_no"],
            "new": opened.new,
            "review": opened.review,
        }

    return run(
        lambda: once(scope=g.client.key_scope, key=key, digest=request_hash("members.open", json_data), work=work)
    )


@blueprint.get("")
@signed
@blueprint.input(MemberQuery, location="query")
@blueprint.output(MemberOut)
@blueprint.doc(summary="Look a member up", security=SECURITY, responses=[401, 404])
def look_up(query_data: dict[str, str]) -> dict[str, Any]:
    """By phone, member number, card or mall account; names and phones come back masked."""
    with transaction():
        member = find_member(g.client.brand_id, **query_data)
        if member is None:
            raise NoSuchMember()
        return _shown(member)


def _shown(member: Member) -> dict[str, Any]:
    brand_id, member_id = member.brand_id, member.member_id
    standing = tiers.standing(brand_id, member_id)
    above = standing.next_step()
    phone = identity.phone_of(member.person_id)
    return {
        "member_id": member_id,
        "number": member.number,
        "card_no": member.card_no,
        "name": None if member.name is None else _masked(crypto.decrypt(member.name, context=NAME_CONTEXT)),
        "phone": None if phone is None else masked_phone(phone),
        "status": member.status,
        "tier": None
        if standing.current is None or standing.since is None
        else {
            "code": standing.current.code,
            "name": standing.current.name,
            "since": standing.since.isoformat(),
            "next_name": above.name if above else None,
            "next_growth": above.growth_from if above else None,
        },
        "points": points.balances(brand_id, member_id)["points"],
        "growth": points.growth_since(brand_id, member_id, standing.window_start(clock.now())),
        "coupons": coupons.counts(brand_id, member_id)["usable"],
    }


def _masked(name: str) -> str:
    return name[:1] + "*" * (len(name) - 1)
