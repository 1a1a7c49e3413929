"""The console's pages of coupon campaigns: the list, one with all that was done to it, a new one, new terms."""

from __future__ import annotations

import secrets
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.core import ids
from app.core.errors import Invalid, NotFound, SiyuError
from app.core.idempotency import checked_key
from app.coupons import commands, queries, rules
from app.coupons import wording as coupon_words
from app.coupons.errors import CampaignOver
from app.dashboards.queries import lists as list_queries
from app.org import queries as org
from app.org.models import Store

from . import campaign_lift, campaigns, gift_rules, scope
from .campaign_form import CHOICES, FIELD, asked, asked_terms, filled
from .campaign_terms import TermsInvalid, as_given, terms_of
from .console import console
from .form_values import FormWrong, fen, whole
from .gift_rules import MOST_A_DAY

# What the buttons of a state are, in the order in which they stand.
BUTTONS = {
    "draft": ("submit", "end"),
    "submitted": ("approve", "reject"),
    "active": ("pause", "end", "void"),
    "paused": ("resume", "end", "void"),
    "ended": ("void",),
    "voided": (),
}
STEPS = frozenset(step for steps in BUTTONS.values() for step in steps)
_SUPPLY = ("more", "budget", "day_quota")
_WRONG_SUPPLY = "请检查填写的数量。"


@console.get("/campaigns", endpoint="campaigns")
def campaigns_page() -> str:
    return _list()


@console.post("/campaign-policy", endpoint="campaign_policy")
def policy_on_page() -> ResponseReturnValue:
    """From which size on a second person approves; what is not filled in asks for none."""
    form = {name: request.form.get(name, "").strip()[:40] for name in ("quota", "budget")}
    try:
        given = {
            "approve_quota": whole(form["quota"], "发行总量") if form["quota"] else None,
            "approve_budget_fen": fen(form["budget"], "优惠预算") or None,
        }
        campaigns.set_policy(campaigns.PolicySchema().load(given))
    except FormWrong as wrong:
        return _list(refused=str(wrong)), 422
    except ValidationError:
        return _list(refused="审批规则的数值太大。"), 422
    return redirect(url_for("console.campaigns"), 303)


def _list(refused: str = "") -> str:
    me, status = scope.current(), request.args.get("status", "")
    lines = list_queries.campaigns(me.reach)
    return render_template(
        "console/campaigns.html",
        items=[one for one in lines if one.status == status] if status else lines,
        status=status,
        total=len(lines),
        policy=campaigns.policy() if me.serves("console.campaign_policy") else None,
        refused=refused,
    )


@console.get("/campaigns/new", endpoint="new_campaign")
def new_campaign() -> str:
    return _form({})


@console.post("/campaigns/new", endpoint="create_campaign")
def create_campaign() -> ResponseReturnValue:
    """A draft, or the form again: with what is wrong in it, or with its words to look at."""
    form = _sent()
    try:
        given = asked(form)
        terms = _terms(given["terms"])
        if form.get("look"):
            return _form(form, terms=terms, quota=given["quota"], budget_fen=given["budget_fen"])
        made = campaigns.created(given, checked_key(form.get("key")))
    except FormWrong as wrong:
        return _form(form, refused=str(wrong)), 422
    except campaigns.CampaignCodeTaken:
        return _form(form, refused="活动编码已被使用，请换一个。"), 409
    except CampaignOver as refusal:
        return _form(form, refused=f"{coupon_words.refusal(refusal)}。"), refusal.status
    return redirect(_home(made), 303)


@console.get("/campaigns/<campaign_id>/terms", endpoint="campaign_terms")
def campaign_terms(campaign_id: str) -> str:
    found = campaigns.decoded(campaign_id)
    return _form(filled(_in_force(found)), of=found)


@console.post("/campaigns/<campaign_id>/terms", endpoint="revise_campaign")
def revise_on_page(campaign_id: str) -> ResponseReturnValue:
    """New terms for what is issued from now on, or the form again as for a new campaign."""
    found, form = campaigns.decoded(campaign_id), _sent()
    try:
        terms = _terms(asked_terms(form, _in_force(found)))
        if form.get("look"):
            return _form(form, of=found, terms=terms)
        campaigns.revised(found, terms)
    except FormWrong as wrong:
        return _form(form, of=found, refused=str(wrong)), 422
    except SiyuError as refusal:
        return _form(form, of=found, refused=f"{coupon_words.refusal(refusal)}。"), refusal.status
    return redirect(_home(found), 303)


@console.get("/campaigns/<campaign_id>", endpoint="one_campaign")
def campaign_page(campaign_id: str) -> str:
    return _page(campaigns.decoded(campaign_id))


@console.post("/campaigns/<campaign_id>", endpoint="switch_campaign")
def switch_on_page(campaign_id: str) -> ResponseReturnValue:
    """A step, with a reason where one is asked for."""
    found, step = campaigns.decoded(campaign_id), request.form.get("step", "")
    if step not in STEPS:
        raise NotFound()
    try:
        reason, seen = request.form.get("reason", "").strip()[:500], request.form.get("seen", "")[:40]
        campaigns.switched(found, step, reason, seen)
    except Invalid:
        return _page(found, refused="请填写原因。"), 422
    except SiyuError as refusal:
        return _page(found, refused=f"{coupon_words.refusal(refusal)}。"), refusal.status
    return redirect(_home(found), 303)


@console.post("/campaigns/<campaign_id>/supply", endpoint="supply_campaign")
def supply_on_page(campaign_id: str) -> ResponseReturnValue:
    """More stock, a budget, a day's stock, one store's part: what is filled in."""
    found = campaigns.decoded(campaign_id)
    form = {name: request.form.get(name, "").strip()[:40] for name in (*_SUPPLY, "store", "part")}
    try:
        given = campaigns.SupplyIn().load(_supply(form))
        campaigns.supplied(found, given, checked_key(request.form.get("key")))
    except FormWrong as wrong:
        return _page(found, refused=str(wrong)), 422
    except ValidationError:
        return _page(found, refused=_WRONG_SUPPLY), 422
    except TermsInvalid:
        return _page(found, refused="没有找到这家门店。"), 422
    except Invalid as refusal:
        spent = refusal.data.get("spent_fen")
        told = f"预算不能低于已优惠的 {coupon_words.yuan(spent)}。" if spent else _WRONG_SUPPLY
        return _page(found, refused=told), 422
    except SiyuError as refusal:
        return _page(found, refused=f"{coupon_words.refusal(refusal)}。"), refusal.status
    return redirect(_home(found), 303)


@console.post("/campaigns/<campaign_id>/guide-limit", endpoint="limit_guides")
def limit_on_page(campaign_id: str) -> ResponseReturnValue:
    """How many coupons a guide may give a day; nothing filled in: no limit."""
    found, told = campaigns.decoded(campaign_id), request.form.get("per_day", "").strip()[:40]
    try:
        per_day = whole(told, "导购每日额度", least=0) if told else None
        if per_day is not None and per_day > MOST_A_DAY:
            raise FormWrong(f"导购每日额度最多 {MOST_A_DAY:,} 张。")
        gift_rules.limited(found, per_day)
    except FormWrong as wrong:
        return _page(found, refused=str(wrong)), 422
    return redirect(_home(found), 303)


def _supply(form: dict[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if form["more"]:
        given["more"] = whole(form["more"], "追加库存")
    if form["budget"]:
        given["budget_fen"] = fen(form["budget"], "优惠预算")
    if form["day_quota"]:
        given["day_quota"] = whole(form["day_quota"], "每日限量")
    if form["part"]:
        given["stores"] = {form["store"]: whole(form["part"], "门店配额", least=0)}
    if not given:
        raise FormWrong("请填写要调整的内容。")
    return given


def _sent() -> dict[str, Any]:
    form: dict[str, Any] = request.form.to_dict()
    return form | {name: request.form.getlist(name) for name in CHOICES}


def _terms(given: dict[str, Any]) -> rules.Terms:
    try:
        return terms_of(scope.current().brand_id, given)
    except TermsInvalid as wrong:
        raise FormWrong(f"请检查：{'、'.join(FIELD.get(one, one) for one in wrong.data['fields'])}。") from wrong


def _in_force(campaign_id: int) -> dict[str, Any]:
    brand_id = scope.current().brand_id
    version = queries.campaign(brand_id, campaign_id).version
    return as_given(brand_id, queries.terms(brand_id, campaign_id, version))


def _home(campaign_id: int) -> str:
    return url_for("console.one_campaign", campaign_id=ids.encode("cmp", campaign_id))


def _page(campaign_id: int, refused: str = "") -> str:
    me = scope.current()
    one = campaigns.shown(campaign_id)
    (line,) = list_queries.campaigns(me.reach, campaign_id)
    stores = org.stores(me.brand_id)
    versions = [version | {"told": rules.Terms.of(version["terms"])} for version in one["versions"]]
    return render_template(
        "console/campaign.html",
        one=one,
        line=line,
        versions=versions,
        names=queries.names_of(me.brand_id, [version["told"] for version in versions]),
        coupon_words=coupon_words,
        buttons=BUTTONS[one["status"]] if me.serves("console.switch_campaign") else (),
        with_reason=commands.WITH_REASON,
        people={ids.encode("adm", user.id): user.name for user in org.admin_users(me.brand_id)},
        stores=[store for store in stores if store.status == "open"],
        store_names={store.code: store.name for store in stores},
        guides=gift_rules.limit_of(campaign_id),
        days=campaign_lift.days_asked(),
        key=secrets.token_hex(16),
        refused=refused,
    )


def _form(
    form: dict[str, Any],
    *,
    of: int | None = None,
    refused: str = "",
    terms: rules.Terms | None = None,
    quota: int = 0,
    budget_fen: int | None = None,
) -> str:
    """The form of a new campaign, or of new terms `of` one; with `terms`, what members would read."""
    me = scope.current()
    most = terms.most_fen() if terms else None
    told = None
    if terms:
        names = queries.names_of(me.brand_id, [terms])
        told = {
            "summary": coupon_words.offer(terms),
            "conditions": [*coupon_words.conditions(terms, names), *coupon_words.rules_of_taking(terms, names)],
            "most_fen": None if most is None else most * quota,
            "budget_fen": budget_fen,
        }
    return render_template(
        "console/campaign_form.html",
        form=form,
        of=None if of is None else queries.campaign(me.brand_id, of),
        refused=refused,
        told=told,
        places={
            "regions": ("适用区域", org.regions(me.brand_id)),
            "dealers": ("适用经销商", org.dealers(me.brand_id)),
            "stores": ("适用门店", _open_stores(me.brand_id)),
            "except_stores": ("不适用门店", _open_stores(me.brand_id)),
        },
        key=form.get("key") or secrets.token_hex(16),
    )


def _open_stores(brand_id: int) -> list[Store]:
    return [store for store in org.stores(brand_id) if store.status == "open"]
