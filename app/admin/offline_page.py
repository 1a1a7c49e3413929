"""The console's page 离线核销: coupons that tills took offline and that others had used before, and stores' quotas."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.coupons import wording as coupon_words

from . import coupon_wording as say
from . import offline_receipts
from .console import console
from .form_values import FormWrong, fen

PAGE = 50


@console.get("/offline-receipts", endpoint="offline_receipts")
def offline_page() -> str:
    return _page()


@console.post("/offline-receipts", endpoint="set_offline_quota")
def set_on_page() -> ResponseReturnValue:
    """What one store may lose in a month."""
    try:
        limit_fen = fen(request.form.get("limit", "")[:40], "每月额度")
        if limit_fen > offline_receipts.MOST_FEN:
            raise FormWrong("每月额度太大。")
        offline_receipts.allowed(request.form.get("store", "")[:64], limit_fen)
    except FormWrong as wrong:
        return _page(str(wrong)), 422
    return redirect(url_for("console.offline_receipts"), 303)


def _page(refused: str = "") -> str:
    asked = request.args.get("outcome", "")
    outcome = asked if asked in offline_receipts.OUTCOMES else ""
    return render_template(
        "console/offline_receipts.html",
        outcome=outcome,
        outcomes=offline_receipts.OUTCOMES,
        quotas=offline_receipts.quotas(),
        refused=refused,
        say=say,
        coupon_words=coupon_words,
        **offline_receipts.listed(outcome, "", request.args.get("cursor", "")[:200], PAGE),
    )
