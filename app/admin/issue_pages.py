"""The console's pages of how coupons come to members: 券推送, 赠券规则 and 兑换码. They do what the API does, through
the same functions.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.core.errors import Invalid, NotFound, SiyuError
from app.core.idempotency import checked_key
from app.coupons import queries
from app.coupons import wording as coupon_words
from app.coupons.commands.redeem_codes import MOST
from app.coupons.gift_rules import KINDS
from app.segments import queries as segments
from app.segments.errors import SegmentUnknown

from . import campaign_lift, coupon_pushes, gift_rules, redeem_batches, scope
from . import coupon_wording as say
from .console import console
from .coupon_pushes import PushIn
from .form_values import FormWrong, day, fen, form_key, whole
from .gift_rules import GiftRuleIn
from .redeem_batches import BatchIn

PAGE = 50


def _campaigns() -> list[queries.CampaignLine]:
    """Campaigns that may still be given out, newest first."""
    known = queries.campaigns(scope.current().brand_id)
    return [one for one in known if one.status not in ("ended", "voided")]


# ---- 券推送


@console.get("/coupon-pushes", endpoint="coupon_pushes")
def pushes_page() -> str:
    return _pushes()


@console.post("/coupon-pushes", endpoint="push_coupons")
def push_on_page() -> ResponseReturnValue:
    """First what would come of it, with the button; then the push itself, once however often the button is pressed."""
    form = {name: request.form.get(name, "").strip()[:40] for name in ("campaign", "segment", "hold_out")}
    try:
        held_out = whole(form["hold_out"] or "0", "对照组比例", least=0)
        if held_out > 50:
            raise FormWrong("对照组比例不正确，请填写 0 至 50 的整数。")
        asked = {"campaign": form["campaign"], "segment": form["segment"], "hold_out_bp": held_out * 100}
        given = PushIn().load(asked)
        if request.form.get("act") != "push":
            return _pushes(form, found=coupon_pushes.previewed(given))
        coupon_pushes.started(given, checked_key(request.form.get("key")))
    except FormWrong as wrong:
        return _pushes(form, refused=str(wrong)), 422
    except ValidationError:
        return _pushes(form, refused="请选择券活动和人群。"), 422
    except SegmentUnknown:
        return _pushes(form, refused="没有找到这个人群。"), 404
    except SiyuError as refusal:
        key = form_key(request.form.get("key"), refusal)
        return _pushes(form, refused=f"{coupon_words.refusal(refusal)}。", key=key), refusal.status
    return redirect(url_for("console.coupon_pushes"), 303)


@console.get("/coupon-pushes/<push_id>", endpoint="coupon_push")
def push_page(push_id: str) -> str:
    return _push(push_id)


@console.post("/coupon-pushes/<push_id>", endpoint="switch_push")
def switch_push(push_id: str) -> ResponseReturnValue:
    action = request.form.get("act", "")
    if action not in ("stop", "resume"):
        raise NotFound()
    try:
        coupon_pushes.switched(push_id, action)
    except NotFound:
        raise
    except SiyuError as refusal:
        return _push(push_id, refused=f"{coupon_words.refusal(refusal)}。"), refusal.status
    return redirect(url_for("console.coupon_push", push_id=push_id), 303)


def _pushes(form: dict[str, str] | None = None, *, refused: str = "", found: Any = None, key: str = "") -> str:
    known = segments.segments(scope.current().brand_id)
    return render_template(
        "console/coupon_pushes.html",
        form=form or {},
        refused=refused,
        found=found,
        campaigns=[one for one in _campaigns() if one.status == "active" and not one.allocated],
        segments=known,
        segment_names={one.segment_id: one.name for one in known},
        say=say,
        key=key or form_key(request.form.get("key")),
        **coupon_pushes.listed(request.args.get("cursor", "")[:200], PAGE),
    )


def _push(push_id: str, refused: str = "") -> str:
    push = coupon_pushes.shown(push_id)
    days = campaign_lift.days_asked()
    return render_template(
        "console/coupon_push.html",
        push=push,
        segment=segments.segment(scope.current().brand_id, push["segment_id"]),
        lift=coupon_pushes.lifted(push_id, days) if push["held_out"] else None,
        days=days,
        choices=campaign_lift.DAYS,
        refused=refused,
        say=say,
    )


# ---- 赠券规则


@console.get("/gift-rules", endpoint="gift_rules")
def rules_page() -> str:
    return _rules()


@console.post("/gift-rules", endpoint="add_gift_rule")
def add_rule_on_page() -> ResponseReturnValue:
    """A rule from the form; what its kind has no use for is not asked."""
    form = {name: request.form.get(name, "").strip()[:40] for name in ("kind", "campaign", "least", "days", "keep")}
    try:
        given: dict[str, Any] = {"kind": form["kind"], "campaign": form["campaign"]}
        if form["kind"] == "order":
            given |= {"min_fen": fen(form["least"], "订单金额"), "keep_on_refund": form["keep"] == "yes"}
        if form["kind"] == "birthday":
            given |= {"days_before": whole(form["days"] or "0", "提前天数", least=0)}
        gift_rules.added(GiftRuleIn().load(given))
    except FormWrong as wrong:
        return _rules(form, str(wrong)), 422
    except ValidationError as wrong:
        fields = [say.GIFT_FIELD.get(name, name) for name in wrong.messages_dict]
        return _rules(form, f"请检查：{'、'.join(fields)}。"), 422
    except SiyuError as refusal:
        return _rules(form, f"{coupon_words.refusal(refusal)}。"), refusal.status
    return redirect(url_for("console.gift_rules"), 303)


@console.post("/gift-rules/<rule_id>", endpoint="change_gift_rule")
def change_rule_on_page(rule_id: str) -> ResponseReturnValue:
    gift_rules.changed(rule_id, request.form.get("active") == "yes")
    return redirect(url_for("console.gift_rules"), 303)


def _rules(form: dict[str, str] | None = None, refused: str = "") -> str:
    brand_id = scope.current().brand_id
    return render_template(
        "console/gift_rules.html",
        form=form or {},
        refused=refused,
        rules=queries.gift_rules(brand_id, active=False),
        given=queries.given_by_rules(brand_id),
        campaigns=_campaigns(),
        campaign_of={one.campaign_id: one for one in queries.campaigns(brand_id)},
        kinds=KINDS,
        say=say,
    )


# ---- 兑换码


@console.get("/redeem-batches", endpoint="redeem_batches")
def batches_page() -> str:
    return _batches()


@console.post("/redeem-batches", endpoint="order_codes")
def order_on_page() -> ResponseReturnValue:
    form = {name: request.form.get(name, "").strip()[:60] for name in ("campaign", "name", "size", "ends")}
    try:
        given = {"campaign": form["campaign"], "name": form["name"], "size": whole(form["size"], "数量")}
        if form["ends"]:
            given["ends_at"] = _end_of(form["ends"])
        redeem_batches.ordered(BatchIn().load(given), checked_key(request.form.get("key")))
    except FormWrong as wrong:
        return _batches(form, str(wrong)), 422
    except ValidationError as wrong:
        fields = [say.BATCH_FIELD.get(name, name) for name in wrong.messages_dict]
        return _batches(form, f"请检查：{'、'.join(fields)}。"), 422
    except Invalid:
        return _batches(form, "截止日期已过。"), 422
    except SiyuError as refusal:
        key = form_key(request.form.get("key"), refusal)
        return _batches(form, f"{coupon_words.refusal(refusal)}。", key), refusal.status
    return redirect(url_for("console.redeem_batches"), 303)


@console.post("/redeem-batches/<batch_id>/export", endpoint="export_codes")
def export_on_page(batch_id: str) -> ResponseReturnValue:
    try:
        return redeem_batches.exported(batch_id)
    except NotFound:
        raise
    except SiyuError as refusal:
        return _batches(refused=f"{coupon_words.refusal(refusal)}。"), refusal.status


@console.post("/redeem-batches/<batch_id>/void", endpoint="void_codes")
def void_on_page(batch_id: str) -> ResponseReturnValue:
    reason = request.form.get("reason", "").strip()[:200]
    if not reason:
        return _batches(refused="请填写作废原因。"), 422
    try:
        redeem_batches.voided(batch_id, reason)
    except NotFound:
        raise
    except SiyuError as refusal:
        return _batches(refused=f"{coupon_words.refusal(refusal)}。"), refusal.status
    return redirect(url_for("console.redeem_batches"), 303)


def _end_of(text: str) -> str:
    """The end of a local day, as the API wants it."""
    after = day(text, "截止日期") + timedelta(days=1)
    return datetime.combine(after, time(), ZoneInfo(scope.current().timezone)).isoformat()


def _batches(form: dict[str, str] | None = None, refused: str = "", key: str = "") -> str:
    found = redeem_batches.listed(request.args.get("cursor", "")[:200], PAGE)
    used = queries.codes_used(scope.current().brand_id, [one["batch_id"] for one in found["items"]])
    return render_template(
        "console/redeem_batches.html",
        form=form or {},
        refused=refused,
        used=used,
        most=MOST,
        campaigns=_campaigns(),
        say=say,
        key=key or form_key(request.form.get("key")),
        **found,
    )
