"""The console's page 券渠道: which campaigns WeChat Pay shows, and the coupons on which both sides contradict."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.core import ids
from app.core.errors import SiyuError

from . import coupon_channel_wording as wording
from . import coupon_channels
from .console import console
from .coupon_channels import BindIn, ConflictClosedIn


@console.get("/coupon-channels", endpoint="coupon_channels")
def page() -> str:
    return _page()


@console.post("/coupon-channels", endpoint="bind_campaign")
def bind() -> ResponseReturnValue:
    form = request.form
    given = {
        "channel": form.get("channel", ""),
        "store": form.get("store", "").strip(),
        "own_codes": form.get("codes") != "theirs",
        "image_url": form.get("image_url", "").strip(),
        "product_id": form.get("product_id", "").strip() or None,
        "stock_id": form.get("stock_id", "").strip() or None,
    }
    if not given["image_url"]:
        del given["image_url"]
    try:
        coupon_channels.bound(form.get("campaign", ""), BindIn().load(given))
    except ValidationError:
        return _page("invalid"), 422
    except SiyuError as error:
        return _page(error.code), error.status
    return redirect(url_for("console.coupon_channels"))


@console.post("/coupon-channels/<campaign_id>/unbind", endpoint="unbind_campaign")
def unbind(campaign_id: str) -> ResponseReturnValue:
    coupon_channels.unbound(campaign_id)
    return redirect(url_for("console.coupon_channels"))


@console.post("/twin-conflicts/<conflict_id>", endpoint="close_twin_conflict")
def close(conflict_id: str) -> ResponseReturnValue:
    given = {"note": request.form.get("note", "").strip(), "retell": request.form.get("retell") == "yes"}
    try:
        loaded = ConflictClosedIn().load(given)
        coupon_channels.closed(conflict_id, loaded["note"], loaded["retell"])
    except ValidationError:
        return _page("invalid"), 422
    except SiyuError as error:
        if error.status == 404:
            raise
        return _page(error.code), error.status
    return redirect(url_for("console.coupon_channels"))


def _page(failed: str = "") -> str:
    over = request.args.get("closed") == "1"
    found = coupon_channels.shown()
    taken = {one["campaign_id"] for one in found["items"] if one["state"] not in ("unbound", "refused", "deactivated")}
    return render_template(
        "console/coupon_channels.html",
        **found,
        free=[one for one in coupon_channels.campaigns() if one.campaign_id not in taken],
        conflicts=coupon_channels.conflicts(over, request.args.get("cursor", "")[:200]),
        over=over,
        failed=failed,
        say=wording,
        tcf=lambda number: ids.encode("tcf", number),
    )
