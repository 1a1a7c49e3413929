"""Coupon campaigns: set up, approved, switched and supplied, each step with who did it and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range
from flask import request
from sqlalchemy.exc import IntegrityError

from app.core import audit, clock, ids
from app.core.errors import Conflict, NotFound
from app.core.fields import PublicId
from app.core.idempotency import checked_key, once, request_hash
from app.core.transaction import run
from app.coupons import commands, queries, rules, wording
from app.coupons.errors import CampaignOver, CampaignUnknown
from app.coupons.models import CampaignEvent, CampaignVersion
from app.org import queries as org

from . import scope
from .blueprint import api
from .campaign_terms import TermsSchema, known_ids, terms_of


class CampaignCodeTaken(Conflict):
    code, message = "campaign_code_taken", "Another campaign of the brand has this code."


class CampaignIn(Schema):
    code = fields.String(required=True, validate=Length(1, 40))
    name = fields.String(required=True, validate=Length(1, 60))
    terms = fields.Nested(TermsSchema, required=True)
    quota = fields.Integer(required=True, validate=Range(1, 1_000_000_000))
    claimable = fields.Boolean(load_default=False, metadata={"description": "Members may claim by themselves."})
    budget_fen = fields.Integer(load_default=None, allow_none=True, validate=Range(1, 1_000_000_000_00))
    day_quota = fields.Integer(load_default=None, allow_none=True, validate=Range(1, 1_000_000_000))


class CampaignEventOut(Schema):
    id = PublicId("cev", attribute="event_id")
    action = fields.String()
    from_status = fields.String(allow_none=True)
    to_status = fields.String()
    reason = fields.String()
    details = fields.Raw(metadata={"description": "What was set; of the stores' parts, those that the caller sees."})
    actor = fields.String()
    at = fields.AwareDateTime()


class VersionOut(Schema):
    version = fields.Integer()
    summary = fields.String(metadata={"example": "满¥300减¥50"})
    terms = fields.Raw()
    created_at = fields.AwareDateTime()


class PartOut(Schema):
    store = fields.String()
    quota = fields.Integer()
    issued = fields.Integer()


class CampaignDetailOut(Schema):
    id = PublicId("cmp", attribute="campaign_id")
    code = fields.String()
    name = fields.String()
    kind = fields.String()
    status = fields.String(metadata={"description": "draft, submitted, active, paused, ended or voided."})
    claimable = fields.Boolean()
    version = fields.Integer()
    summary = fields.String()
    quota = fields.Integer()
    issued = fields.Integer()
    day_quota = fields.Integer(allow_none=True)
    issued_today = fields.Integer()
    budget_fen = fields.Integer(allow_none=True)
    spent_fen = fields.Integer()
    currency = fields.Constant("CNY")
    stores = fields.List(fields.Nested(PartOut))
    created_by = fields.String()
    submitted_by = fields.String(allow_none=True)
    approved_by = fields.String(allow_none=True)
    created_at = fields.AwareDateTime()
    versions = fields.List(fields.Nested(VersionOut))
    events = fields.List(fields.Nested(CampaignEventOut))


STEPS = ("submit", "approve", "reject", "pause", "resume", "end", "void")


class StepIn(Schema):
    step = fields.String(required=True, validate=OneOf(STEPS))
    reason = fields.String(load_default="", validate=Length(max=500))
    seen = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(1, 40),
        metadata={"description": "The newest event that the caller knows of; 409 `campaign_changed` if it is not."},
    )


class SupplyIn(Schema):
    """One or several at once."""

    more = fields.Integer(validate=Range(1, 1_000_000_000), metadata={"description": "So many coupons more."})
    budget_fen = fields.Integer(validate=Range(1, 1_000_000_000_00))
    day_quota = fields.Integer(allow_none=True, validate=Range(1, 1_000_000_000))
    stores = fields.Dict(
        keys=fields.String(validate=Length(1, 64)),
        values=fields.Integer(validate=Range(0, 1_000_000_000)),
        validate=Length(1, 5000),
        metadata={"description": "A store's code to how many coupons it gives out in all."},
    )


class PolicySchema(Schema):
    """From which size on a second person approves; null: not by that."""

    approve_quota = fields.Integer(allow_none=True, load_default=None, validate=Range(1, 1_000_000_000))
    approve_budget_fen = fields.Integer(allow_none=True, load_default=None, validate=Range(1, 1_000_000_000_00))


@api.get("/campaigns/<campaign_id>")
@api.output(CampaignDetailOut)
@api.doc(summary="One campaign", security="AdminToken", responses=[401, 403, 404])
def campaign(campaign_id: str) -> dict[str, Any]:
    """Its terms by version, its stock in all, today and by store, its budget, and who did what to it."""
    return shown(decoded(campaign_id))


@api.post("/campaigns")
@api.input(CampaignIn, arg_name="given")
@api.output(CampaignDetailOut, status_code=201)
@api.doc(summary="Set up a campaign", security="AdminToken", responses=[401, 403, 404, 409, 422])
def create_campaign(given: dict[str, Any]) -> dict[str, Any]:
    """A draft; submit it to bring it out. Needs an Idempotency-Key."""
    return shown(created(given, checked_key(request.headers.get("Idempotency-Key"))))


@api.put("/campaigns/<campaign_id>/terms")
@api.input(TermsSchema, arg_name="given")
@api.output(CampaignDetailOut)
@api.doc(summary="New terms for coupons issued from now on", security="AdminToken", responses=[401, 403, 404, 409, 422])
def revise_campaign(campaign_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is out keeps its own terms. A campaign that waits for approval is a draft again. Terms that are in force
    already change nothing."""
    found = decoded(campaign_id)
    revised(found, terms_of(scope.current().brand_id, given))
    return shown(found)


@api.post("/campaigns/<campaign_id>/steps")
@api.input(StepIn, arg_name="given")
@api.output(CampaignDetailOut)
@api.doc(summary="Take a campaign a step", security="AdminToken", responses=[401, 403, 404, 409, 422])
def switch_campaign(campaign_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """reject, pause, end and void need a reason. Above the brand's size a campaign is approved by somebody else than
    who made or submitted it; `seen` keeps them from approving what they did not look at. Void withdraws the coupons
    that are out, soon after."""
    found = decoded(campaign_id)
    switched(found, given["step"], given["reason"], given["seen"])
    return shown(found)


@api.patch("/campaigns/<campaign_id>/supply")
@api.input(SupplyIn, arg_name="given")
@api.output(CampaignDetailOut)
@api.doc(
    summary="Stock, budget, a day's and the stores' parts", security="AdminToken", responses=[401, 403, 404, 409, 422]
)
def supply_campaign(campaign_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """All of what is named or nothing. Needs an Idempotency-Key: `more` adds once. A campaign that waits for approval
    is a draft again."""
    found = decoded(campaign_id)
    supplied(found, given, checked_key(request.headers.get("Idempotency-Key")))
    return shown(found)


@api.get("/campaign-policy")
@api.output(PolicySchema)
@api.doc(summary="Which campaigns a second person approves", security="AdminToken", responses=[401, 403])
def campaign_policy() -> dict[str, Any]:
    return policy()


@api.put("/campaign-policy")
@api.input(PolicySchema, arg_name="given")
@api.output(PolicySchema)
@api.doc(summary="Set which campaigns a second person approves", security="AdminToken", responses=[401, 403, 422])
def set_campaign_policy(given: dict[str, Any]) -> dict[str, Any]:
    """Who loosens it is held to what it was as well, until somebody else sets it."""
    set_policy(given)
    return given


def policy() -> dict[str, Any]:
    """From which size on a second person approves."""
    quota, budget_fen = queries.policy(scope.current().brand_id)
    return {"approve_quota": quota, "approve_budget_fen": budget_fen}


def set_policy(given: dict[str, Any]) -> None:
    """Set it, as the caller."""
    me = scope.current()

    def work() -> None:
        commands.set_policy(brand_id=me.brand_id, actor=me.actor, **given)
        audit.record(actor=me.actor, action="campaigns.policy", subject=ids.encode("brd", me.brand_id), **given)

    run(work)


def decoded(campaign_id: str) -> int:
    """The campaign behind a public id; CampaignUnknown."""
    try:
        found = ids.decode("cmp", campaign_id)
    except NotFound:
        raise CampaignUnknown() from None
    return queries.campaign(scope.current().brand_id, found).campaign_id


def created(given: dict[str, Any], key: str) -> int:
    """A draft as the caller, once a key; its id."""
    me = scope.current()
    terms = terms_of(me.brand_id, given["terms"])

    def work() -> dict[str, Any]:
        if terms.over(clock.now()):
            raise CampaignOver()
        made = commands.create_campaign(
            brand_id=me.brand_id,
            code=given["code"],
            name=given["name"],
            terms=terms,
            quota=given["quota"],
            claimable=given["claimable"],
            status="draft",
            budget_fen=given["budget_fen"],
            day_quota=given["day_quota"],
            actor=me.actor,
        )
        audit.record(actor=me.actor, action="campaigns.create", subject=ids.encode("cmp", made), name=given["name"])
        return {"id": made}

    digest = request_hash("campaigns.create", {**given, "terms": terms.stored()})
    try:
        done = run(lambda: once(scope=f"admin:{me.admin_id}:{me.brand_id}", key=key, digest=digest, work=work))
    except IntegrityError as error:
        if "uq_campaign_brand_id_code" not in str(error.orig):
            raise
        raise CampaignCodeTaken() from error
    return int(done["id"])


def revised(campaign_id: int, terms: rules.Terms) -> None:
    """Give a campaign these terms from now on, as the caller."""
    me = scope.current()

    def work() -> None:
        was = queries.campaign(me.brand_id, campaign_id).version
        version = commands.revise(brand_id=me.brand_id, campaign_id=campaign_id, terms=terms, actor=me.actor)
        if version != was:
            subject = ids.encode("cmp", campaign_id)
            audit.record(actor=me.actor, action="campaigns.revise", subject=subject, version=version)

    run(work)


def switched(campaign_id: int, step: str, reason: str, seen: str | None = None) -> str:
    """Take a step as the caller, who knows of the event `seen`; the state it led to."""
    me = scope.current()
    rests: dict[str, Any] = {"reason": reason, "seen": ids.decode("cev", seen) if seen else None}

    def work() -> str:
        to = commands.switch(brand_id=me.brand_id, campaign_id=campaign_id, action=step, actor=me.actor, **rests)
        subject = ids.encode("cmp", campaign_id)
        audit.record(actor=me.actor, action=f"campaigns.{step}", subject=subject, reason=reason)
        return to

    return run(work)


def supplied(campaign_id: int, given: Mapping[str, Any], key: str) -> None:
    """Set what is named of a campaign's supply as the caller, once a key."""
    me = scope.current()
    who: dict[str, Any] = {"brand_id": me.brand_id, "campaign_id": campaign_id, "actor": me.actor}

    def work() -> dict[str, Any]:
        if "more" in given:
            commands.add_stock(**who, more=given["more"])
        if "budget_fen" in given:
            commands.set_budget(**who, budget_fen=given["budget_fen"])
        if "day_quota" in given:
            commands.set_day_quota(**who, day_quota=given["day_quota"])
        if "stores" in given:
            known = {store.code: store.id for store in org.stores(me.brand_id)}
            stores = known_ids(known, given["stores"], "stores")
            commands.allocate(**who, quotas=dict(zip(stores, given["stores"].values(), strict=True)))
        audit.record(actor=me.actor, action="campaigns.supply", subject=ids.encode("cmp", campaign_id), **given)
        return {}

    digest = request_hash("campaigns.supply", {"campaign": campaign_id, **given})
    run(lambda: once(scope=f"admin:{me.admin_id}:{me.brand_id}", key=key, digest=digest, work=work))


def shown(campaign_id: int) -> dict[str, Any]:
    """A campaign as the API answers and the page shows it."""
    brand_id, reach = scope.current().brand_id, scope.current().reach
    row = queries.campaign(brand_id, campaign_id)
    versions = queries.versions(brand_id, campaign_id)
    supply = queries.supply(brand_id, campaign_id, _today(versions[0]))
    seen = {store.id: store.code for store in org.stores(brand_id) if reach.covers(store.id)}
    told = [shown_version(version) for version in versions]
    facts = (
        "campaign_id", "code", "name", "kind", "status", "claimable", "version", "day_quota", "created_by",
        "submitted_by", "approved_by", "created_at",
    )  # fmt: skip
    return {
        **{name: getattr(row, name) for name in facts},
        "summary": told[0]["summary"],
        "quota": supply.quota,
        "issued": supply.issued,
        "issued_today": supply.today_issued,
        "budget_fen": supply.budget_fen,
        "spent_fen": supply.spent_fen,
        "stores": [
            {"store": seen[part.store_id], "quota": part.quota, "issued": part.issued}
            for part in supply.parts
            if part.store_id in seen
        ],
        "versions": told,
        "events": [_event(event, seen) for event in queries.events(brand_id, campaign_id)],
    }


def _event(event: CampaignEvent, stores: Mapping[int, str]) -> dict[str, Any]:
    """An event with the parts of these stores only, by their codes."""
    facts = ("event_id", "action", "from_status", "to_status", "reason", "details", "actor", "at")
    told = {name: getattr(event, name) for name in facts}
    if "quotas" in event.details:
        parts = ((stores.get(int(store_id)), quota) for store_id, quota in event.details["quotas"].items())
        told["details"] = {**event.details, "quotas": {code: quota for code, quota in parts if code is not None}}
    return told


def shown_version(version: CampaignVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "summary": wording.offer(rules.Terms.of(version.terms)),
        "terms": version.terms,
        "created_at": version.created_at,
    }


def _today(version: CampaignVersion) -> date:
    return rules.local_day(rules.Terms.of(version.terms), clock.now())
