"""The console's pages 券报表, 门店对账 and 风险核查. They show what the API answers, through the same functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.core import ids
from app.core.errors import NotFound
from app.coupons import queries as coupons
from app.coupons.fraud.errors import FlagDecided
from app.coupons.fraud.rules import KINDS, STATUSES
from app.coupons.rules import SOURCES
from app.coupons.statements.errors import (
    ClosingNotAsked,
    EarlierMonthOpen,
    MonthClosed,
    MonthNotOver,
    SecondCloserNeeded,
    StatementChanged,
)
from app.dashboards.queries.coupon_flags import waiting
from app.dashboards.queries.coupon_report import BY
from app.identity.errors import PhoneInvalid
from app.org import queries as org

from . import coupon_bills as bills
from . import coupon_flags as flags
from . import coupon_reports as reports
from . import coupon_statements as statements
from . import coupon_wording as coupon_words
from . import scope, wording
from .console import console

_MONTH_REFUSED = (ClosingNotAsked, EarlierMonthOpen, MonthClosed, MonthNotOver, SecondCloserNeeded, StatementChanged)
_RANGE_WRONG = "日期范围不正确：最多 400 天，且开始不晚于结束。"
_NO_REASON = "请填写处理说明（2～200 字）。"
_RULE_WRONG = "阈值须为 1 以上的整数，时间窗口为 1 分钟至 7 天。"


@console.get("/coupon-report", endpoint="coupon_report")
def report_page() -> str:
    given = {name: value for name, value in request.args.items() if value and name != "_"}
    try:
        asked, refused = _asked(given), ""
    except ValidationError:
        asked, refused = _asked({"by": given["by"]} if given.get("by") in BY else {}), _RANGE_WRONG
    try:
        found = reports.report(asked)
    except NotFound:
        found, refused = reports.report(_asked({"by": asked["by"]})), "没有找到所选的活动、门店或导购。"
    reach = scope.current().reach
    stores = {one.id: one for one in org.stores(reach.brand_id) if reach.covers(one.id)}
    return render_template(
        "console/coupon_report.html",
        report=found,
        given=given,
        refused=refused,
        coupon_words=coupon_words,
        by=BY,
        campaigns=[(ids.encode("cmp", one.campaign_id), one.name) for one in coupons.campaigns(reach.brand_id)],
        stores=[(one.code, one.name) for one in stores.values()],
        guides=[
            (ids.encode("gde", one.id), f"{one.name}（{stores[one.store_id].name}）")
            for one in org.guides(reach.brand_id)
            if one.store_id in stores
        ],
        sources=[(code, wording.source(code)) for code in SOURCES],
        most=max((row["used"] for row in found["rows"]), default=0),
    )


@console.get("/coupon-report.csv", endpoint="coupon_report_table")
def report_table() -> Response:
    try:
        return reports.table(_asked({name: value for name, value in request.args.items() if value}))
    except ValidationError:
        raise NotFound() from None


@console.get("/coupon-statements", endpoint="coupon_statements")
def this_month() -> str:
    return _statement(request.args.get("month") or statements.this_month())


@console.post("/coupon-statements/<month>", endpoint="close_coupon_month")
def close_on_page(month: str) -> ResponseReturnValue:
    try:
        if request.form.get("act") == "close":
            statements.closed(month, request.form.get("digest", "")[:64])
        else:
            statements.asked_to_close(month)
    except _MONTH_REFUSED as error:
        return _statement(month, coupon_words.REFUSED[error.code])
    return redirect(url_for("console.coupon_statements", month=month))


@console.get("/coupon-statements/<month>/stores.csv", endpoint="coupon_statement_table")
def store_table(month: str) -> Response:
    return statements.store_table(month)


@console.get("/coupon-statements/<month>/lines.csv", endpoint="coupon_bill_table")
def bill_table(month: str) -> Response:
    try:
        asked = bills.BillIn().load({name: request.args.get(name, "") for name in ("supplier", "dealer")})
    except ValidationError:
        raise NotFound() from None
    return bills.bill_table(month, **asked)


@console.get("/coupon-statements/<month>/<store_id>", endpoint="coupon_statement_lines")
def lines_page(month: str, store_id: str) -> str:
    store = statements.seen_store(store_id)
    found = statements.lines(month, store_id, request.args.get("cursor", "")[:200])
    whole = next((one for one in statements.statement(month)["stores"] if one["store_id"] == store.id), None)
    return render_template(
        "console/coupon_statement_lines.html",
        month=month,
        store=store,
        store_id=store_id,
        whole=whole,
        coupon_words=coupon_words,
        **found,
    )


@console.get("/coupon-statements/<month>/<store_id>/lines.csv", endpoint="coupon_statement_line_table")
def line_table(month: str, store_id: str) -> Response:
    return statements.line_table(month, store_id)


@console.get("/coupon-flags", endpoint="coupon_flags")
def flags_page() -> str:
    status, rule = request.args.get("status", "open"), request.args.get("rule", "")
    known, kind = status if status in STATUSES else "open", rule if rule in KINDS else None
    found = flags.listed(known, kind, request.args.get("cursor", "")[:200])
    return render_template(
        "console/coupon_flags.html",
        status=known,
        rule=kind or "",
        statuses=STATUSES,
        kinds=KINDS,
        waiting=waiting(scope.current().reach),
        coupon_words=coupon_words,
        **found,
    )


@console.get("/coupon-flags/<flag_id>", endpoint="coupon_flag")
def flag_page(flag_id: str) -> str:
    return _flag(flag_id)


@console.post("/coupon-flags/<flag_id>", endpoint="decide_coupon_flag")
def decide_on_page(flag_id: str) -> ResponseReturnValue:
    words, status = request.form.get("words", "").strip(), request.form.get("status", "")
    if not 2 <= len(words) <= 200 or status not in STATUSES[1:]:
        return _flag(flag_id, _NO_REASON)
    try:
        flags.decided(flag_id, status, words)
    except FlagDecided as error:
        return _flag(flag_id, coupon_words.REFUSED[error.code])
    return redirect(url_for("console.coupon_flag", flag_id=flag_id))


@console.get("/coupon-fraud-rules", endpoint="coupon_fraud_rules")
def rules_page() -> str:
    return _rules()


@console.post("/coupon-fraud-rules/<kind>", endpoint="change_coupon_fraud_rule")
def change_rule_on_page(kind: str) -> ResponseReturnValue:
    form = request.form
    try:
        given = flags.FraudRuleIn().load(
            {
                "threshold": form.get("threshold", ""),
                "window_seconds": int(form.get("minutes", "") or 0) * 60,
                "active": form.get("active") == "yes",
            }
        )
    except (ValidationError, ValueError):
        return _rules(_RULE_WRONG)
    flags.changed_rule(kind, given)
    return redirect(url_for("console.coupon_fraud_rules"))


@console.post("/guide-phones", endpoint="note_guide_phone")
def note_phone_on_page() -> ResponseReturnValue:
    try:
        flags.noted_phone(request.form.get("guide", ""), request.form.get("phone", "")[:40])
    except PhoneInvalid as error:
        return _rules(coupon_words.REFUSED[error.code])
    return redirect(url_for("console.coupon_fraud_rules"))


def _asked(given: dict[str, str]) -> dict[str, Any]:
    known = {name: value for name, value in given.items() if name in _REPORT_FIELDS}
    asked: dict[str, Any] = reports.ReportIn().load(known)
    return asked


_REPORT_FIELDS = {one.data_key or name for name, one in reports.ReportIn().fields.items()}


def _statement(month: str, refused: str = "") -> str:
    before, after = statements.beside(month)
    return render_template(
        "console/coupon_statements.html",
        refused=refused,
        before=before,
        after=after,
        coupon_words=coupon_words,
        names=_names(),
        **statements.statement(month),
    )


def _names() -> dict[str, str]:
    """Console users by the name that rows call them."""
    return {ids.encode("adm", one.id): one.name for one in org.admin_users(scope.current().brand_id)}


def _flag(flag_id: str, refused: str = "") -> str:
    one = flags.found(flag_id)
    things = [{**thing, "at": datetime.fromisoformat(thing["at"])} for thing in one["evidence"].get("things", ())]
    stores = {ids.encode("sto", store.id): store.name for store in org.stores(scope.current().brand_id)}
    return render_template(
        "console/coupon_flag.html",
        one=one,
        things=things,
        refused=refused,
        coupon_words=coupon_words,
        names=_names(),
        stores=stores,
    )


def _rules(refused: str = "") -> str:
    guides = [(ids.encode("gde", one.id), one.name) for one in org.guides(scope.current().brand_id)]
    return render_template(
        "console/coupon_fraud_rules.html",
        rules=flags.rules(),
        phones=flags.phones(),
        guides=guides,
        refused=refused,
        coupon_words=coupon_words,
    )
