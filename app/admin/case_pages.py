"""The console's pages about cases: the queue, one case with both sides, the merges of a member."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import SiyuError
from app.dashboards.queries.cases import STATUSES, open_reviews
from app.identity.errors import IdentityConflict, PersonErased, ReviewClosed

from . import cases, scope
from .console import console

_REFUSED: dict[type[SiyuError], str] = {
    IdentityConflict: "微信已确认是两位不同的用户（UnionID 不同），不能合并。",
    ReviewClosed: "双方已经是同一人，如有误请在会员页拆分。",
    PersonErased: "顾客已注销，无法合并或拆分。",
    cases.GroupDecision: "该顾客同时是集团其他品牌的会员，请由集团管理员处理。",
}
_NO_REASON = "请填写原因（2～200 字）。"


@console.get("/reviews")
def review_queue() -> str:
    status = request.args.get("status", "open")
    known = status if status in STATUSES else "open"
    found = cases.listed(known, request.args.get("cursor", "")[:200])
    waiting = open_reviews(scope.current().reach)
    return render_template("console/reviews.html", status=known, statuses=STATUSES, waiting=waiting, **found)


@console.get("/reviews/<review_id>")
def review_page(review_id: str) -> str:
    return _case(review_id)


@console.post("/reviews/<review_id>")
def decide_on_page(review_id: str) -> ResponseReturnValue:
    reason = request.form.get("reason", "").strip()
    if not 2 <= len(reason) <= 200 or request.form.get("same") not in ("yes", "no"):
        return _case(review_id, _NO_REASON)
    try:
        cases.decided(review_id, request.form["same"] == "yes", reason)
    except (IdentityConflict, PersonErased, ReviewClosed, cases.GroupDecision) as error:
        return _case(review_id, _REFUSED[type(error)])
    return redirect(url_for("console.review_page", review_id=review_id))


@console.get("/members/<member_id>/merges")
def merges_panel(member_id: str) -> str:
    return _panel(member_id)


@console.post("/members/<member_id>/merges/<merge_id>")
def split_on_page(member_id: str, merge_id: str) -> str:
    reason = request.form.get("reason", "").strip()
    if not 2 <= len(reason) <= 200:
        return _panel(member_id, _NO_REASON)
    try:
        cases.taken_back(merge_id, reason)
    except (PersonErased, cases.GroupDecision) as error:
        return _panel(member_id, _REFUSED[type(error)])
    return _panel(member_id)


def _case(review_id: str, refused: str = "") -> str:
    return render_template("console/review.html", one=cases.case(review_id), refused=refused, me=scope.current())


def _panel(member_id: str, refused: str = "") -> str:
    items = cases.merges_behind(member_id)
    return render_template("console/_merges_panel.html", public_id=member_id, items=items, refused=refused)
