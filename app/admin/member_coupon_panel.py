"""The panel 优惠券 of a member's page: loaded after the page, so that the page itself stays fast."""

from __future__ import annotations

from flask import render_template, request
from marshmallow import ValidationError

from app.core.errors import NotFound, SiyuError
from app.core.idempotency import checked_key
from app.coupons import wording as coupon_words

from . import coupon_wording, member_coupons, scope
from .console import console
from .form_values import form_key
from .member_coupons import GiveCouponIn, WithdrawCouponIn
from .members import seen

PAGE = 20


@console.get("/members/<member_id>/coupons", endpoint="member_coupons")
def coupons_panel(member_id: str) -> str:
    """The newest, or with `cursor` the older ones as rows of the panel's table."""
    cursor = request.args.get("cursor", "")[:200]
    if not cursor:
        return _panel(member_id)
    found = member_coupons.listed(seen(member_id), cursor, PAGE)
    return render_template("console/_coupon_rows.html", public_id=member_id, say=coupon_wording, **found)


@console.post("/members/<member_id>/coupons", endpoint="give_coupon")
def give_on_panel(member_id: str) -> str:
    """Once however often the button is pressed; a refusal leaves the form as it was."""
    member, form, key = seen(member_id), _form("campaign", "reason"), request.form.get("key", "")
    try:
        member_coupons.handed(member, GiveCouponIn().load(form), checked_key(key))
    except ValidationError:
        return _panel(member_id, "请选择券活动和发券原因。", form, form_key(key))
    except SiyuError as refusal:
        return _panel(member_id, f"{coupon_words.refusal(refusal)}。", form, form_key(key, refusal))
    return _panel(member_id, done="已发券。")


@console.post("/members/<member_id>/coupons/<coupon>/void", endpoint="void_coupon")
def void_on_panel(member_id: str, coupon: str) -> str:
    member = seen(member_id)
    try:
        member_coupons.withdrawn(member, coupon, WithdrawCouponIn().load(_form("reason"))["reason"])
    except ValidationError:
        return _panel(member_id, "请选择收回原因。")
    except NotFound:
        raise
    except SiyuError as refusal:
        return _panel(member_id, f"{coupon_words.refusal(refusal)}。")
    return _panel(member_id, done="已收回。")


def _form(*names: str) -> dict[str, str]:
    return {name: request.form.get(name, "").strip()[:40] for name in names}


def _panel(
    member_id: str, refused: str = "", form: dict[str, str] | None = None, key: str = "", *, done: str = ""
) -> str:
    member, gives = seen(member_id), scope.current().serves("console.give_coupon")
    return render_template(
        "console/_coupons_panel.html",
        public_id=member_id,
        refused=refused,
        done=done,
        form=form or {},
        key=key or form_key(),
        offers=member_coupons.givable(member) if gives else [],
        offer_of=coupon_words.offer,
        active=member.status == "active",
        say=coupon_wording,
        **member_coupons.listed(member, "", PAGE),
    )
