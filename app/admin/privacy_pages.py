"""The privacy panel of a member's page: loaded after the page, so that the page itself stays fast."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import SiyuError
from app.privacy.errors import NothingToReveal, RevealInvalid, RevealLimit
from app.privacy.rules import REVEALS_A_DAY

from . import privacy, scope
from .console import console
from .members import seen

_REFUSED = {
    RevealLimit: "今日查看次数已用完。",
    NothingToReveal: "会员没有填写此项。",
    RevealInvalid: "请填写查看原因（2～200 字）。",
}


@console.get("/members/<member_id>/privacy")
def privacy_panel(member_id: str) -> str:
    return _panel(member_id)


@console.post("/members/<member_id>/reveals")
def reveal(member_id: str) -> str:
    """One value in plain, as a piece of the panel; it is in no other answer."""
    field, reason = request.form.get("field", ""), request.form.get("reason", "")[:400]
    try:
        shown = privacy.shown_value(member_id, field, reason)
    except (RevealLimit, NothingToReveal, RevealInvalid) as error:
        return render_template("console/_revealed.html", value=None, refused=_REFUSED[type(error)])
    return render_template("console/_revealed.html", value=shown["value"], refused=None)


@console.post("/members/<member_id>/exports")
def ask_export(member_id: str) -> str:
    privacy.asked_export(seen(member_id))
    return _panel(member_id)


@console.get("/members/<member_id>/exports/<export_id>/file")
def export_file(member_id: str, export_id: str) -> Response:
    return privacy.fetched_export(seen(member_id), export_id)


@console.post("/members/<member_id>/erasure")
def erase_member(member_id: str) -> ResponseReturnValue:
    """The reason is asked for, and the word 注销 typed, because nothing brings the data back."""
    reason = request.form.get("reason", "").strip()
    if request.form.get("sure", "").strip() != "注销" or not 2 <= len(reason) <= 200:
        return _panel(member_id, refused="请填写原因，并输入“注销”二字确认。")
    try:
        privacy.erased(seen(member_id), reason)
    except SiyuError:
        return _panel(member_id, refused="未能注销，请刷新页面后重试。")
    members = url_for("console.find_members")
    return Response(headers={"HX-Redirect": members}) if "HX-Request" in request.headers else redirect(members)


def _panel(member_id: str, refused: str = "") -> str:
    member = seen(member_id)
    return render_template(
        "console/_privacy_panel.html",
        public_id=member_id,
        status=member.status,
        refused=refused,
        most=REVEALS_A_DAY[scope.current().role],
        **privacy.about(member),
    )
