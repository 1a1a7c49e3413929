"""The console's pages. They show what the API answers, through the same functions and the same scope."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core import clock, ids
from app.core.errors import Forbidden, NotFound, SiyuError, Unauthorized
from app.dashboards.queries import lists as list_queries
from app.dashboards.queries import today as today_queries
from app.dashboards.rules import day_of

from . import auth, lists, members, scope, trace, wording

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Headings and their pages; a page is shown to the roles that scope.ROLES lets in.
NAVIGATION = (
    ("", (("console.today", "今日"),)),
    ("会员", (("console.find_members", "会员"), ("console.tags", "标签"), ("console.review_queue", "身份审核"))),
    ("运营", (("console.tasks", "任务"), ("console.sops", "SOP"))),
    (
        "优惠券",
        (
            ("console.campaigns", "券活动"),
            ("console.coupon_pushes", "券推送"),
            ("console.gift_rules", "赠券规则"),
            ("console.redeem_batches", "兑换码"),
        ),
    ),
    (
        "券财务与风控",
        (
            ("console.coupon_report", "券报表"),
            ("console.coupon_statements", "门店对账"),
            ("console.coupon_flags", "风险核查"),
            ("console.offline_receipts", "离线核销"),
        ),
    ),
    ("收银", (("console.desk_page", "收银台核销"),)),
    ("渠道", (("console.channel_codes", "渠道活码"), ("console.coupon_channels", "券渠道"))),
    ("组织", (("console.stores", "门店"), ("console.users", "账号权限"))),
    ("系统", (("console.imports", "数据导入"), ("console.sync_list", "企微对账"), ("console.audit_log", "操作日志"))),
)
# Under which of these other pages are.
WITHIN = {
    "console.member": "console.find_members",
    "console.follow": "console.find_members",
    "console.review_page": "console.review_queue",
    "console.blocked_page": "console.review_queue",
    **dict.fromkeys(
        [
            f"console.{name}"
            for name in (
                "one_campaign",
                "new_campaign",
                "create_campaign",
                "switch_campaign",
                "supply_campaign",
                "campaign_policy",
                "limit_guides",
                "campaign_terms",
                "revise_campaign",
            )
        ],
        "console.campaigns",
    ),
    "console.push_coupons": "console.coupon_pushes",
    "console.coupon_push": "console.coupon_pushes",
    "console.switch_push": "console.coupon_pushes",
    "console.add_gift_rule": "console.gift_rules",
    "console.order_codes": "console.redeem_batches",
    "console.export_codes": "console.redeem_batches",
    "console.void_codes": "console.redeem_batches",
    "console.set_offline_quota": "console.offline_receipts",
    "console.coupon_flag": "console.coupon_flags",
    "console.coupon_fraud_rules": "console.coupon_flags",
    "console.coupon_statement_lines": "console.coupon_statements",
    "console.desk_check": "console.desk_page",
    "console.desk_redeem": "console.desk_page",
    "console.desk_undo": "console.desk_page",
    "console.bind_campaign": "console.coupon_channels",
}

console = APIBlueprint("console", __name__, url_prefix="/console", template_folder="templates", enable_openapi=False)


@console.before_request
def _guard() -> ResponseReturnValue | None:
    if request.endpoint in scope.OPEN:
        return None
    try:
        auth.guard()
    except Unauthorized:
        return redirect(url_for("console.login", next=request.full_path.rstrip("?")))
    return None


@console.after_request
def _headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cache-Control"] = "no-store"
    return response


@console.errorhandler(auth.AccountUnfinished)
def _finish_account(error: auth.AccountUnfinished) -> ResponseReturnValue:
    return redirect(url_for("console.account"))


@console.errorhandler(SiyuError)
def _error(error: SiyuError) -> ResponseReturnValue:
    words = {NotFound: "没有找到，或您无权查看。", Forbidden: "您的角色没有此项权限。"}
    text = next((text for kind, text in words.items() if isinstance(error, kind)), "操作未成功，请稍后再试。")
    return render_template("console/error.html", text=text, code=error.code), error.status


@console.context_processor
def _words() -> dict[str, object]:
    me = scope.signed_in()
    return {
        "me": me,
        "csrf": auth.csrf_token() if me else "",
        "navigation": [(heading, [one for one in pages if me and me.serves(one[0])]) for heading, pages in NAVIGATION],
        "here": WITHIN.get(request.endpoint or "", request.endpoint),
        "words": wording,
        "yuan": wording.yuan,
        "local": _local,
        "public": ids.encode,
    }


@console.get("/login")
def login() -> ResponseReturnValue:
    return render_template("console/login.html", failed=False, next=request.args.get("next", ""))


@console.post("/login")
def sign_in() -> ResponseReturnValue:
    """Answers with a cookie and the page that was wanted, or with the form again."""
    _check_origin()
    name, password = request.form.get("login", "")[:100], request.form.get("password", "")[:200]
    wanted = request.form.get("next", "")
    try:
        _, token, seconds = auth.login(name, password)
    except auth.LoginFailed:
        return render_template("console/login.html", failed=True, next=wanted, name=name), 401
    except auth.SecondFactorNeeded as needed:
        return render_template("console/code.html", failed=False, next=wanted, ticket=needed.data["ticket"])
    return auth.with_cookie(redirect(_inside(wanted)), token, seconds)


@console.post("/login/code")
def give_code() -> ResponseReturnValue:
    """The second half of a login with a second factor; an old ticket leads back to its beginning."""
    _check_origin()
    wanted, ticket = request.form.get("next", ""), request.form.get("ticket", "")[:2000]
    try:
        _, token, seconds = auth.give_code(ticket, request.form.get("code", "")[:40])
    except auth.LoginFailed:
        return render_template("console/code.html", failed=True, next=wanted, ticket=ticket), 401
    except Unauthorized:
        return redirect(url_for("console.login", next=wanted))
    return auth.with_cookie(redirect(_inside(wanted)), token, seconds)


def _check_origin() -> None:
    """Forbidden for a login that another site sends: it would put its own session into the browser."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden()


def _inside(wanted: str) -> str:
    """The wanted page if it is one of ours, or the first one."""
    ours = wanted.startswith("/console/") and not wanted.startswith("/console//") and wanted.isprintable()
    return wanted if ours else url_for("console.today")


@console.post("/logout")
def logout() -> ResponseReturnValue:
    auth.logout()
    return auth.without_cookie(redirect(url_for("console.login")))


@console.get("/")
def today() -> str:
    return render_template("console/today.html")


@console.get("/members")
def find_members() -> str:
    text, cursor = request.args.get("q", "").strip()[:100], request.args.get("cursor", "")[:200]
    try:
        found = members.listed(text, cursor)
    except NotFound:
        found = {"items": [], "next_cursor": None}
    return render_template("console/members.html", q=text, **found)


@console.get("/tasks")
def tasks() -> str:
    status = request.args.get("status", "")
    known = status if status in list_queries.TASK_STATUSES else None
    found = lists.listed_tasks(known, request.args.get("cursor", "")[:200])
    return render_template("console/tasks.html", status=known or "", **found)


@console.get("/stores")
def stores() -> str:
    me = scope.current()
    found = today_queries.stores(me.reach, day_of(clock.now(), me.timezone))
    return render_template("console/stores.html", items=found)


@console.get("/sops")
def sops() -> str:
    return render_template("console/sops.html", items=list_queries.sops(scope.current().reach))


@console.get("/trace/<start>")
def follow(start: str) -> str:
    return render_template("console/trace.html", start=start, journey=trace.traced(start))


def _local(moment: datetime | None, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """A moment in the brand's time zone, as people read it."""
    return moment.astimezone(ZoneInfo(scope.current().timezone)).strftime(pattern) if moment else "—"
