"""The sidebar page and how a guide gets in: WeCom's silent OAuth2, then our session cookie.

`/sidebar/` is the address to enter in WeCom (应用主页, 聊天工具栏), with `?corp_id=` where several corps share the
deployment. It goes through WeCom's authorize page to `/sidebar/callback`, which sets the cookie and shows
`/sidebar/home`.
"""

from __future__ import annotations

import hmac
import re
import secrets
from urllib.parse import urlencode, urlsplit

from apiflask import APIBlueprint
from flask import Response, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.core import log
from app.core.errors import Forbidden, NotFound, Retryable, SiyuError, Unauthorized
from app.core.transaction import reading
from app.flows import accounts
from app.org import queries as org
from app.org.models import PlatformAccount
from app.settings import Settings

from . import auth

bp = APIBlueprint("sidebar", __name__, url_prefix="/sidebar", template_folder="templates", enable_openapi=False)

STATE_COOKIE = "siyu_sidebar_state"
STATE_SECONDS = 600
_TASK = re.compile(r"tsk_[0-9a-z]{13}")

_log = log.get("sidebar")


class CorpUnknown(NotFound):
    code, message = "corp_unknown", "请从企业微信工作台或聊天工具栏打开本页面。"


class EntryExpired(Forbidden):
    code, message = "entry_expired", "登录已失效，请关闭后重新打开。"


class NotStaff(Forbidden):
    code, message = "not_staff", "本页面仅限企业成员使用。"


class NoGuide(Forbidden):
    code, message = "no_guide", "您还没有导购权限，请联系门店或总部管理员开通。"


def _settings() -> Settings:
    settings: Settings = current_app.extensions["siyu"]
    return settings


@bp.get("/")
def enter() -> BaseResponse:
    """Straight to the page for a signed-in guide, else through WeCom.

    With the JS-SDK's stand-in one browser plays several members of staff, so there WeCom is asked every time.
    """
    task, corp_id = _task(), request.args.get("corp_id", "")
    guide = None if _settings().jssdk_url else auth.signed_in()
    if guide is not None and corp_id in ("", guide.corp_id):
        return redirect(_home(guide.corp_id, task))
    with reading():
        account = _account(corp_id)
    state = secrets.token_urlsafe(16)
    back = f"{_settings().public_url.rstrip('/')}/sidebar/callback"
    response = redirect(accounts.wecom(account.brand_id).authorize_url(back, state))
    response.set_cookie(
        STATE_COOKIE,
        f"{state}|{account.namespace}|{task}",
        max_age=STATE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=_settings().production,
        path="/sidebar",
    )
    return response


@bp.get("/callback")
def callback() -> BaseResponse:
    """WeCom sends the browser back with a code that says who it is; the state must be the one we sent it with."""
    state, corp_id, task = (request.cookies.get(STATE_COOKIE, "").split("|") + ["", "", ""])[:3]
    if not state or not hmac.compare_digest(state.encode(), request.args.get("state", "").encode()):
        raise EntryExpired()
    with reading():
        account = _account(corp_id)
    visitor = accounts.wecom(account.brand_id).visitor_from_code(request.args.get("code", ""))
    if visitor.userid is None:
        raise NotStaff()
    with reading():
        guide = org.guide_by_userid(account.namespace, visitor.userid)
    if guide is None or guide.status != "active" or guide.brand_id != account.brand_id:
        raise NoGuide()
    response = make_response(redirect(_home(account.namespace, task if _TASK.fullmatch(task) else "")))
    auth.begin(response, guide, secure=_settings().production)
    response.delete_cookie(STATE_COOKIE, path="/sidebar")
    return response


@bp.get("/home")
def home() -> BaseResponse | str:
    """The page. What it shows comes from the API with the same cookie."""
    if auth.signed_in() is None:
        return redirect(f"{url_for('sidebar.enter')}?{urlencode(request.args)}")
    return render_template("sidebar/home.html", jssdk=_settings().jssdk_url, task=_task())


@bp.errorhandler(SiyuError)
def _refused(error: SiyuError) -> Response:
    """An error as a page in the reader's language; the code is small print for whoever helps them."""
    if isinstance(error, (CorpUnknown, EntryExpired, NotStaff, NoGuide)):
        message = error.message
    elif isinstance(error, Unauthorized):
        message = EntryExpired.message
    elif isinstance(error, Retryable):
        message = "企业微信暂时没有响应，请稍后再试。"
    else:
        message = "页面没能打开，请稍后再试。"
    _log.warning("the sidebar was not opened", error=error.code)
    page = render_template("sidebar/refused.html", message=message, code=error.code)
    return make_response(page, error.status)


@bp.after_request
def _headers(response: Response) -> Response:
    """Only our own files, and the JS-SDK's stand-in, whose client holds the page in a frame, where it is set."""
    stand_in = _origin(_settings().jssdk_url)
    pictures = "https: data:" if _settings().production else "https: http: data:"
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {stand_in}".strip(),
            "style-src 'self'",
            f"img-src 'self' {pictures}",
            "font-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors 'self' {stand_in}".strip(),
        )
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _account(corp_id: str) -> PlatformAccount:
    """The WeCom account of a corp; without a corp id, the only one there is."""
    if corp_id:
        found = [org.account_by_namespace("wecom", corp_id)]
    else:
        found = [org.account(brand.id, "wecom") for brand in org.brands()]
    known = [account for account in found if account is not None]
    if len(known) != 1:
        raise CorpUnknown()
    return known[0]


def _task() -> str:
    task = request.args.get("task", "")
    return task if _TASK.fullmatch(task) else ""


def _home(corp_id: str, task: str) -> str:
    query = {"corp_id": corp_id} | ({"task": task} if task else {})
    return f"{url_for('sidebar.home')}?{urlencode(query)}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
