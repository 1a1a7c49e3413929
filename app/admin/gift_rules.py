"""What members are given on which occasion, and how many coupons a guide may give a day."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range
from marshmallow import ValidationError, validates_schema

from app.core import audit, ids
from app.core.fields import Page, PublicId
from app.core.transaction import run, transaction
from app.coupons import commands, queries
from app.coupons.errors import CampaignUnknown
from app.coupons.gift_rules import KINDS
from app.coupons.issue_models import GiftRule
from app.org.models import Guide

from . import scope
from .blueprint import api
from .naming import decoded

MOST_FEN = 1_000_000_000
MOST_A_DAY = 1_000_000


class GiftRuleIn(Schema):
    kind = fields.String(
        required=True,
        validate=OneOf(KINDS),
        metadata={
            "description": "welcome: the first phone; birthday; order; referrer: brought a new member; referred: came"
            " by an invitation."
        },
    )
    campaign = fields.String(required=True, validate=Length(1, 40), metadata={"description": "cmp_..."})
    min_fen = fields.Integer(
        load_default=0, validate=Range(0, MOST_FEN), metadata={"description": "order: what it must amount to."}
    )
    keep_on_refund = fields.Boolean(
        load_default=False, metadata={"description": "order: the coupon stays when less than that is left."}
    )
    days_before = fields.Integer(load_default=0, validate=Range(0, 31), metadata={"description": "birthday."})

    @validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        if (data["min_fen"] > 0 or data["keep_on_refund"]) and data["kind"] != "order":
            raise ValidationError("An order's.", "min_fen")
        if data["kind"] == "order" and data["min_fen"] < 1:
            raise ValidationError("At least one fen.", "min_fen")
        if data["days_before"] and data["kind"] != "birthday":
            raise ValidationError("A birthday's.", "days_before")


class RuleChangeIn(Schema):
    active = fields.Boolean(required=True)


class GiftRuleOut(Schema):
    id = PublicId("gfr", attribute="rule_id")
    kind = fields.String()
    campaign = PublicId("cmp", attribute="campaign_id")
    min_fen = fields.Integer()
    currency = fields.Constant("CNY")
    keep_on_refund = fields.Boolean()
    days_before = fields.Integer()
    active = fields.Boolean()
    created_by = fields.String()
    created_at = fields.AwareDateTime()


class RuleLineOut(GiftRuleOut):
    """One of a list."""


class GiftRulesOut(Page):
    items = fields.List(fields.Nested(RuleLineOut))


class GuideLimitIn(Schema):
    per_day = fields.Integer(
        required=True,
        allow_none=True,
        validate=Range(0, MOST_A_DAY),
        metadata={"description": "For one guide; 0: guides give none, null: no limit."},
    )


class GuideUseOut(Schema):
    guide = PublicId("gde", attribute="guide_id")
    name = fields.String()
    store = PublicId("sto", attribute="store_id")
    used = fields.Integer()


class GuideLimitOut(Schema):
    """`items`: guides of the caller's stores who gave some today, most first."""

    per_day = fields.Integer(allow_none=True)
    items = fields.List(fields.Nested(GuideUseOut))


@api.get("/gift-rules")
@api.output(GiftRulesOut)
@api.doc(summary="Gift rules", security="AdminToken", responses=[401, 403])
def gift_rules() -> dict[str, Any]:
    """All rules of the brand, those switched off as well."""
    return {"items": queries.gift_rules(scope.current().brand_id, active=False), "next_cursor": None}


@api.post("/gift-rules")
@api.input(GiftRuleIn, arg_name="given")
@api.output(GiftRuleOut, status_code=201)
@api.doc(summary="Add a gift rule", security="AdminToken", responses=[401, 403, 404, 409, 422])
def add_gift_rule(given: dict[str, Any]) -> Any:
    """For occasions from now on, each once. 409 `gift_rule_exists`: a kind gives a campaign by one rule."""
    return added(given)


@api.patch("/gift-rules/<rule_id>")
@api.input(RuleChangeIn, arg_name="given")
@api.output(GiftRuleOut)
@api.doc(summary="Switch a gift rule on or off", security="AdminToken", responses=[401, 403, 404, 422])
def change_gift_rule(rule_id: str, given: dict[str, Any]) -> Any:
    """What was given stays given."""
    return changed(rule_id, given["active"])


@api.get("/campaigns/<campaign>/guide-limit")
@api.output(GuideLimitOut)
@api.doc(summary="What guides may give a day, and gave today", security="AdminToken", responses=[401, 403, 404])
def guide_limit(campaign: str) -> dict[str, Any]:
    me, campaign_id = scope.current(), decoded("cmp", campaign, CampaignUnknown)
    queries.campaign(me.brand_id, campaign_id)
    return limit_of(campaign_id)


@api.put("/campaigns/<campaign>/guide-limit")
@api.input(GuideLimitIn, arg_name="given")
@api.output(GuideLimitOut)
@api.doc(summary="Say what guides may give a day", security="AdminToken", responses=[401, 403, 404, 422])
def limit_guides(campaign: str, given: dict[str, Any]) -> dict[str, Any]:
    """A campaign with such a limit is given by guides also where members cannot claim it themselves."""
    campaign_id = decoded("cmp", campaign, CampaignUnknown)
    limited(campaign_id, given["per_day"])
    return limit_of(campaign_id)


def added(given: dict[str, Any]) -> GiftRule:
    """A new rule as the caller."""
    me, campaign_id = scope.current(), decoded("cmp", given["campaign"], CampaignUnknown)
    values = {name: value for name, value in given.items() if name != "campaign"}

    def work() -> int:
        rule_id = commands.add_gift_rule(
            brand_id=me.brand_id, campaign_id=campaign_id, created_by=me.actor, **values
        )
        audit.record(actor=me.actor, action="gift_rule.add", subject=ids.encode("gfr", rule_id), **given)
        return rule_id

    return queries.gift_rule(me.brand_id, run(work))


def changed(rule_id: str, active: bool) -> GiftRule:
    """Switch a rule on or off as the caller."""
    me, which = scope.current(), ids.decode("gfr", rule_id)
    with transaction():
        commands.change_gift_rule(brand_id=me.brand_id, rule_id=which, active=active)
        audit.record(actor=me.actor, action="gift_rule.change", subject=ids.encode("gfr", which), active=active)
    return queries.gift_rule(me.brand_id, which)


def limited(campaign_id: int, per_day: int | None) -> None:
    """Say as the caller how many coupons of a campaign a guide may give a day; None: as many as there are."""
    me = scope.current()
    with transaction():
        commands.limit_guides(brand_id=me.brand_id, campaign_id=campaign_id, per_day=per_day, changed_by=me.actor)
        subject = ids.encode("cmp", campaign_id)
        audit.record(actor=me.actor, action="campaign.guide_limit", subject=subject, per_day=per_day)


def limit_of(campaign_id: int) -> dict[str, Any]:
    """The limit of a campaign and its use today, within the caller's stores."""
    me = scope.current()
    return {
        "per_day": queries.guide_limit(me.brand_id, campaign_id),
        "items": queries.used_by_guides(me.brand_id, campaign_id, me.reach.within(Guide.store_id)),
    }
