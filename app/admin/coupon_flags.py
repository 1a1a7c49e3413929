"""What looks like misuse of coupons: flags to decide on, the rules behind them, guides' own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range

from app.core import audit, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.transaction import transaction
from app.coupons.fraud import commands
from app.coupons.fraud import queries as fraud
from app.coupons.fraud.errors import FlagUnknown, RuleUnknown
from app.coupons.fraud.rules import KINDS, LONGEST, MINUTE, STATUSES, WATCHED
from app.dashboards.queries import coupon_flags as queries
from app.org import queries as org

from . import scope
from .blueprint import api
from .lists import PAGE, PageIn


class FlagsIn(PageIn):
    status = fields.String(load_default="open", validate=OneOf(STATUSES))
    rule = fields.String(load_default=None, allow_none=True, validate=OneOf(KINDS))


class FlagOut(Schema):
    """`count` within the window from `window_from` on. `subject` is what was counted: member, store, guide, till, desk,
    coupon or address. A flag stops nobody: somebody clears or confirms it.
    """

    id = PublicId("flg", attribute="flag_id")
    rule = fields.String()
    subject = fields.String()
    count = fields.Integer()
    window_from = fields.AwareDateTime()
    member = PublicId("mbr", attribute="member_id", allow_none=True)
    member_name = fields.String(metadata={"description": "Masked."})
    store = PublicId("sto", attribute="store_id", allow_none=True)
    store_name = fields.String()
    guide = PublicId("gde", attribute="guide_id", allow_none=True)
    guide_name = fields.String()
    status = fields.String()
    decided_by = fields.String(allow_none=True)
    decided_at = fields.AwareDateTime(allow_none=True)
    words = fields.String(allow_none=True)
    created_at = fields.AwareDateTime()


class FlagLineOut(FlagOut):
    """One of the list."""


class FlagsOut(Page):
    items = fields.List(fields.Nested(FlagLineOut))


class FlagWholeOut(FlagOut):
    evidence = fields.Dict(metadata={"description": "`things`: the newest of what was counted; threshold; window."})


class FlagDecisionIn(Schema):
    status = fields.String(required=True, validate=OneOf(STATUSES[1:]))
    words = fields.String(required=True, validate=Length(2, 200), metadata={"description": "Why."})


class FraudRuleOut(Schema):
    """Flagged from `threshold` on within `window_seconds`, counted for each `subject`."""

    kind = fields.String()
    subject = fields.String()
    threshold = fields.Integer()
    window_seconds = fields.Integer()
    active = fields.Boolean()


class FraudRuleLineOut(FraudRuleOut):
    """One of the list."""


class FraudRulesOut(Schema):
    items = fields.List(fields.Nested(FraudRuleLineOut))


class FraudRuleIn(Schema):
    threshold = fields.Integer(required=True, validate=Range(1, 1_000_000))
    window_seconds = fields.Integer(required=True, validate=Range(MINUTE, LONGEST))
    active = fields.Boolean(load_default=True)


class GuidePhoneOut(Schema):
    """`phone` shows the last four digits; the number itself is not kept."""

    guide = PublicId("gde", attribute="guide_id")
    name = fields.String()
    phone = fields.String()


class GuidePhonesOut(Schema):
    items = fields.List(fields.Nested(GuidePhoneOut))


class GuidePhoneIn(Schema):
    phone = fields.String(
        required=True,
        validate=Length(max=40),
        metadata={"description": "The guide's own number; empty forgets it."},
    )


@api.get("/coupon-flags")
@api.input(FlagsIn, location="query", arg_name="asked")
@api.output(FlagsOut)
@api.doc(summary="What looks like misuse of coupons", security="AdminToken", responses=[401, 403])
def coupon_flags(asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first. A region sees those of its stores; what concerns no single store is headquarters'."""
    return listed(asked["status"], asked["rule"], asked["cursor"], asked["limit"])


@api.get("/coupon-flags/<flag_id>")
@api.output(FlagWholeOut)
@api.doc(summary="One flag with its evidence", security="AdminToken", responses=[401, 403, 404])
def coupon_flag(flag_id: str) -> dict[str, Any]:
    return found(flag_id)


@api.post("/coupon-flags/<flag_id>/decision")
@api.input(FlagDecisionIn, arg_name="given")
@api.output(FlagWholeOut)
@api.doc(summary="Clear or confirm a flag", security="AdminToken", responses=[401, 403, 404, 409])
def decide_coupon_flag(flag_id: str, given: dict[str, str]) -> dict[str, Any]:
    """Once. 409 `flag_decided` when somebody else was faster."""
    decided(flag_id, given["status"], given["words"])
    return found(flag_id)


@api.get("/coupon-fraud-rules")
@api.output(FraudRulesOut)
@api.doc(summary="The rules that raise flags", security="AdminToken", responses=[401, 403])
def coupon_fraud_rules() -> dict[str, Any]:
    return {"items": rules()}


@api.put("/coupon-fraud-rules/<kind>")
@api.input(FraudRuleIn, arg_name="given")
@api.output(FraudRuleOut)
@api.doc(summary="Change a rule", security="AdminToken", responses=[401, 403, 404])
def change_coupon_fraud_rule(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """For what comes from now on; flags that were raised stay."""
    return changed_rule(kind, given)


@api.get("/guide-phones")
@api.output(GuidePhonesOut)
@api.doc(summary="Guides whose own number is known", security="AdminToken", responses=[401, 403])
def guide_phones() -> dict[str, Any]:
    return {"items": phones()}


@api.put("/guide-phones/<guide_id>")
@api.input(GuidePhoneIn, arg_name="given")
@api.output(GuidePhonesOut)
@api.doc(summary="Note a guide's own number", security="AdminToken", responses=[401, 403, 404])
def note_guide_phone(guide_id: str, given: dict[str, str]) -> dict[str, Any]:
    """So that a member who has it is known to be the guide. Only a keyed index of the number is kept."""
    noted_phone(guide_id, given["phone"])
    return {"items": phones()}


def listed(status: str, rule: str | None, cursor: str, limit: int = PAGE) -> dict[str, Any]:
    """A page of flags, for the API and the console alike."""
    lines = queries.flags(
        scope.current().reach, status=status, rule=rule, before=paging.after_id(cursor), limit=limit + 1
    )
    shown, next_cursor = paging.page(lines, limit, lambda line: (line["flag_id"],))
    return {"items": shown, "next_cursor": next_cursor}


def found(flag_id: str) -> dict[str, Any]:
    """One flag of the caller's reach; FlagUnknown otherwise."""
    line = queries.flag(scope.current().reach, _decoded(flag_id))
    if line is None:
        raise FlagUnknown()
    return line


def decided(flag_id: str, status: str, words: str) -> None:
    """Decide about a flag, and note who did."""
    me, line = scope.current(), found(flag_id)
    with transaction():
        commands.decide(brand_id=me.brand_id, flag_id=line["flag_id"], status=status, words=words, by=me.actor)
        audit.record(actor=me.actor, action=f"coupons.flag_{status}", subject=flag_id, rule=line["rule"])


def rules() -> list[dict[str, Any]]:
    """The watched rules as the brand wants them."""
    found_rules = fraud.rules(scope.current().brand_id)
    return [
        {
            "kind": kind,
            "subject": rule.subject,
            "threshold": rule.threshold,
            "window_seconds": rule.seconds,
            "active": rule.active,
        }
        for kind, rule in found_rules.items()
    ]


def changed_rule(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Change a rule, and note who did; RuleUnknown."""
    me = scope.current()
    if kind not in WATCHED:
        raise RuleUnknown()
    with transaction():
        commands.set_rule(brand_id=me.brand_id, kind=kind, by=me.actor, **given)
        audit.record(actor=me.actor, action="coupons.fraud_rule", subject=kind, **given)
    return next(rule for rule in rules() if rule["kind"] == kind)


def phones() -> list[dict[str, Any]]:
    """Guides of the brand whose own number is known, by name."""
    brand_id = scope.current().brand_id
    known = fraud.guide_phones(brand_id)
    return [
        {"guide_id": guide.id, "name": guide.name, "phone": f"*******{known[guide.id].phone_tail}"}
        for guide in org.guides(brand_id)
        if guide.id in known
    ]


def noted_phone(guide_id: str, phone: str) -> None:
    """Note or forget a guide's own number, and note who did; NotFound for no guide of the brand."""
    me = scope.current()
    guide = org.guide(ids.decode("gde", guide_id))
    if guide is None or guide.brand_id != me.brand_id:
        raise NotFound()
    guide_key = guide.id
    with transaction():
        if phone.strip():
            commands.tell_guide_phone(brand_id=me.brand_id, guide_id=guide_key, phone=phone, by=me.actor)
        else:
            commands.forget_guide_phone(brand_id=me.brand_id, guide_id=guide_key)
        audit.record(actor=me.actor, action="coupons.guide_phone", subject=guide_id, known=bool(phone.strip()))


def _decoded(flag_id: str) -> int:
    try:
        return ids.decode("flg", flag_id)
    except NotFound:
        raise FlagUnknown() from None
