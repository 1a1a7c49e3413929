"""The H5 entrance: a shopper comes from the brand's official account and is logged in by WeChat's OAuth2.

`/api/miniapp/v1/official/start` is the address for the account's menu, with `?appid=` where several brands share the
deployment, `&profile=1` to ask for nickname and picture, and `&scene=` of a channel code. It goes through WeChat to
`/callback`, which shows the member centre and hands it the same kind of token that the mini-program gets.

The browser that was sent away is the one that may come back: its cookie holds a secret, the state only a hash of it,
with an end and a signature, in letters and digits as WeChat wants them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.core import clock, crypto, log, transaction
from app.core.errors import Forbidden, NotFound, Retryable, SiyuError
from app.core.transaction import reading
from app.flows import accounts, arrivals, official_login
from app.flows.mini_login import LoggedIn
from app.org import queries as org
from app.org.models import PlatformAccount
from app.settings import Settings
from app.wechat.errors import LoginCodeInvalid, LoginCodeUsed, SnapshotUser
from app.wechat.official import SILENT, WITH_PROFILE

from . import auth

bp = APIBlueprint(
    "miniapp_official",
    __name__,
    url_prefix="/api/miniapp/v1/official",
    template_folder="templates",
    enable_openapi=False,
)

COOKIE = "siyu_official"
STATE_SECONDS = 600
_STATE = re.compile(r"([0-9a-f]{32})([0-9a-f]{8})([0-9a-f]{32})")
_SCENE = re.compile(r"[0-9A-Za-z_-]{3,30}")

_log = log.get("official")


class AppUnknown(NotFound):
    code, message = "account_missing", "请从公众号菜单重新打开本页面。"


class EntryExpired(Forbidden):
    code, message = "entry_expired", "登录已失效，请重新打开。"


@bp.get("/start")
def start() -> BaseResponse:
    """Send the browser to WeChat."""
    with reading():
        account = _account(request.args.get("appid", ""))
    secret = secrets.token_hex(16)
    scope = WITH_PROFILE if request.args.get("profile") == "1" else SILENT
    back = _settings().public_url.rstrip("/") + url_for("miniapp_official.callback")
    response = redirect(accounts.official(account.brand_id).authorize_url(back, _state(account, secret), scope=scope))
    scene = request.args.get("scene", "")
    response.set_cookie(
        COOKIE,
        f"{secret}|{account.namespace}|{scene if _SCENE.fullmatch(scene) else ''}",
        max_age=STATE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=_settings().production,
        path=url_for("miniapp_official.start").rpartition("/")[0],
    )
    return response


@bp.get("/callback")
def callback() -> BaseResponse:
    """WeChat sends the browser back with a code that says who it is."""
    secret, appid, scene = (request.cookies.get(COOKIE, "").split("|") + ["", "", ""])[:3]
    with reading():
        account = org.account_by_namespace("official", appid) if appid else None
    if account is None or not _is_ours(request.args.get("state", ""), account, secret):
        raise EntryExpired()
    visitor = official_login.identify(account, request.args.get("code", ""))

    def work() -> LoggedIn:
        found = official_login.login(account=account, visitor=visitor)
        arrivals.opened(brand_id=account.brand_id, person_id=found.person_id, scene=scene)
        return found

    logged_in = transaction.run(work)
    token, seconds = auth.issue(brand_id=account.brand_id, person_id=logged_in.given_to, openid=visitor.openid)
    with reading():
        brand = org.brand(account.brand_id)
    page = render_template(
        "official/member.html", token=token, seconds=seconds, brand=brand.name, again=_start_url(account)
    )
    response = make_response(page)
    response.delete_cookie(COOKIE, path=url_for("miniapp_official.start").rpartition("/")[0])
    return response


@bp.errorhandler(SiyuError)
def _refused(error: SiyuError) -> Response:
    """An error as a page in the shopper's language; the code is small print for whoever helps them."""
    if isinstance(error, (AppUnknown, EntryExpired)):
        message = error.message
    elif isinstance(error, SnapshotUser):
        message = "当前是网页快照，请点击页面上的“使用完整服务”后再试。"
    elif isinstance(error, (LoginCodeInvalid, LoginCodeUsed)):
        message = EntryExpired.message
    elif isinstance(error, Retryable):
        message = "微信暂时没有响应，请稍后再试。"
    else:
        message = "页面没能打开，请稍后再试。"
    _log.warning("the member centre was not opened", error=error.code)
    appid = (request.cookies.get(COOKIE, "").split("|") + [""])[1]
    again = "" if isinstance(error, AppUnknown) else _url({"appid": appid} if re.fullmatch(r"\w{1,64}", appid) else {})
    return make_response(
        render_template("official/refused.html", message=message, code=error.code, again=again), error.status
    )


@bp.after_request
def _headers(response: Response) -> Response:
    """The page holds a token: it is kept nowhere, framed nowhere, and loads nothing of others but pictures."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; font-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _settings() -> Settings:
    settings: Settings = current_app.extensions["siyu"]
    return settings


def _account(appid: str) -> PlatformAccount:
    """The official account with that appid; without one, the only one there is."""
    if appid:
        found = [org.account_by_namespace("official", appid)]
    else:
        found = [org.account(brand.id, "official") for brand in org.brands()]
    known = [account for account in found if account is not None]
    if len(known) != 1:
        raise AppUnknown()
    return known[0]


def _state(account: PlatformAccount, secret: str) -> str:
    end = f"{int(clock.now().timestamp()) + STATE_SECONDS:08x}"
    return _challenge(secret) + end + _signature(account.namespace, _challenge(secret), end)


def _is_ours(state: str, account: PlatformAccount, secret: str) -> bool:
    found = _STATE.fullmatch(state)
    if found is None or not secret:
        return False
    challenge, end, signature = found.groups()
    right = hmac.compare_digest(signature, _signature(account.namespace, challenge, end))
    return right and hmac.compare_digest(challenge, _challenge(secret)) and int(end, 16) >= clock.now().timestamp()


def _challenge(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


def _signature(appid: str, challenge: str, end: str) -> str:
    return crypto.mac("miniapp.official.state", f"{appid}|{challenge}|{end}".encode()).hex()[:32]


def _start_url(account: PlatformAccount) -> str:
    return _url({"appid": account.namespace})


def _url(query: dict[str, str]) -> str:
    return url_for("miniapp_official.start") + (f"?{urlencode(query)}" if query else "")
