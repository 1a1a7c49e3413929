"""Coupons a guide may give to the customer they chat with: the brand's open campaigns, within stock and limit."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length
from flask import request

from app.core import idempotency, ids, transaction
from app.core.errors import Conflict
from app.core.fields import PublicId
from app.coupons import commands, wording
from app.coupons import queries as coupons
from app.coupons.errors import CampaignUnknown
from app.privacy import queries as privacy
from app.privacy.errors import MarketingRefused
from app.privacy.rules import MARKETING

from . import auth
from .blueprint import api
from .customer import followed


class NotAMember(Conflict):
    code, message = "not_a_member", "The customer is not a member yet and has no wallet."


class CouponsIn(Schema):
    external_userid = fields.String(load_default="", validate=Length(max=128))


class OfferOut(Schema):
    """`left`: stock; `limit_reached`: this customer has had all that one member may have, in all or for now;
    `left_today`: how many of it this guide may still give today, null where no limit is set."""

    id = PublicId("cmp", attribute="campaign_id")
    name = fields.String()
    kind = fields.String()
    summary = fields.String()
    conditions = fields.List(fields.String(), metadata={"description": "What else is promised, in words."})
    left = fields.Integer()
    limit_reached = fields.Boolean()
    left_today = fields.Integer(allow_none=True)
    valid_days = fields.Integer(allow_none=True)
    ends_at = fields.AwareDateTime(allow_none=True)


class OffersOut(Schema):
    items = fields.List(fields.Nested(OfferOut))


class GiveIn(Schema):
    campaign = fields.String(required=True, validate=Length(1, 40))


class GivenOut(Schema):
    id = PublicId("cpn", attribute="coupon_id")
    name = fields.String()
    valid_to = fields.String()


@api.get("/coupons")
@api.input(CouponsIn, location="query")
@api.output(OffersOut)
@api.doc(summary="Coupons I may give", security=auth.SECURITY, responses=[401, 404])
def offers(query_data: dict[str, str]) -> dict[str, Any]:
    """The open campaigns; with `external_userid`, whether that customer may still have one."""
    guide = auth.guide()
    member = followed(guide, query_data["external_userid"]).member if query_data["external_userid"] else None
    found = coupons.givable(
        guide.brand_id, member.member_id if member else 0, guide.guide_id, guide.store_id
    )
    names = coupons.names_of(guide.brand_id, (one.terms for one, _ in found))
    return {
        "items": [
            {
                "campaign_id": one.campaign_id,
                "name": one.name,
                "kind": one.kind,
                "summary": wording.offer(one.terms),
                "conditions": wording.conditions(one.terms, names) + wording.rules_of_taking(one.terms, names),
                "left": one.left,
                "limit_reached": one.had_all,
                "left_today": left_today,
                "valid_days": one.terms.valid_days,
                "ends_at": one.terms.ends_at,
            }
            for one, left_today in found
        ]
    }


@api.post("/customers/<external_userid>/coupons")
@api.input(GiveIn)
@api.output(GivenOut, status_code=201)
@api.doc(summary="Give a coupon", security=auth.SECURITY, responses=[401, 404, 409, 422, 503])
def give(external_userid: str, json_data: dict[str, str]) -> dict[str, Any]:
    """Give the customer a coupon of an open campaign. Needs an Idempotency-Key; stock and limit hold as for a claim.

    409 `guide_quota_reached` when the guide gave all that one day allows, `marketing_refused` for a customer who wants
    no advertising through WeCom."""
    guide = auth.guide()
    key = idempotency.checked_key(request.headers.get("Idempotency-Key"))
    campaign_id = ids.decode("cmp", json_data["campaign"])
    with transaction.reading():
        member = followed(guide, external_userid).member
        if member is None:
            raise NotAMember()
        if not privacy.allowed(guide.brand_id, member.member_id, MARKETING, "wecom"):
            raise MarketingRefused()

    def issue() -> dict[str, Any]:
        offers = coupons.givable(guide.brand_id, member.member_id, guide.guide_id, guide.store_id)
        if campaign_id not in {one.offer.campaign_id for one in offers}:
            raise CampaignUnknown()
        coupon_id = commands.give_by_guide(
            brand_id=guide.brand_id,
            member_id=member.member_id,
            campaign_id=campaign_id,
            guide_id=guide.guide_id,
            source_ref=f"{ids.encode('gde', guide.guide_id)}:{key}",
            store_id=guide.store_id,
        )
        card = coupons.card(guide.brand_id, member.member_id, coupon_id)
        return {"coupon_id": coupon_id, "name": card.name, "valid_to": card.valid_to.isoformat()}

    digest = idempotency.request_hash(f"give:{external_userid}", json_data)
    scope = f"sidebar:{guide.guide_id}"
    with wording.added():
        return transaction.run(lambda: idempotency.once(scope=scope, key=key, digest=digest, work=issue))
