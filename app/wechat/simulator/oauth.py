"""The two OAuth pages of WeCom: silent authorisation inside the client, and the QR login of a website."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Response, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.rows import App, Staff

pages = Blueprint("simulator_oauth", __name__)
STAFF_COOKIE = "simulator_staff"


@pages.get("/connect/oauth2/authorize")
def authorize() -> BaseResponse | tuple[str, int]:
    """Answers at once as the member whose client page is open (a cookie it sets); without one, asks who you are."""
    return _authorize(request.args.get("appid", ""), request.args.get("agentid", ""), silent=True)


@pages.get("/wwlogin/sso/login")
def qr_login() -> BaseResponse | tuple[str, int]:
    """The website login a member confirms by scanning: here, by choosing a name."""
    return _authorize(request.args.get("appid", ""), request.args.get("agentid", ""), silent=False)


def _authorize(corp_id: str, agent_id: str, *, silent: bool) -> BaseResponse | tuple[str, int]:
    engine: Engine = current_app.config["ENGINE"]
    target = urlsplit(request.args.get("redirect_uri", ""))
    with engine.world.lock:
        app = _app(engine, corp_id, agent_id)
        if app is None:
            return _refuse("invalid appid", 40013)
        if target.scheme not in ("http", "https") or not target.netloc:
            return _refuse("redirect_uri unauthorized", 50001)
        if app.trusted_domains and target.hostname not in {d.split(":")[0] for d in app.trusted_domains}:
            return _refuse("redirect_uri unauthorized", 50001)
        if len(request.args.get("state", "").encode()) > 128:
            return _refuse("state too long", 40058)
        everybody = [s for s in engine.world.staff if s.corp_id == corp_id and s.status == 1]
        chosen = request.args.get("staff") or (request.cookies.get(STAFF_COOKIE) if silent else None)
        staff = next((s for s in everybody if s.userid == chosen), None)
        if staff is None:
            return _choose(everybody)
        scope = request.args.get("scope", "snsapi_base")
        code = engine.codes.issue("oauth", corp_id, staff.userid, scope=scope)
    query = [*parse_qsl(target.query, keep_blank_values=True), ("code", code), ("state", request.args.get("state", ""))]
    if not silent:
        query.append(("appid", corp_id))
    return redirect(urlunsplit((target.scheme, target.netloc, target.path, urlencode(query), "")), 302)


def _app(engine: Engine, corp_id: str, agent_id: str) -> App | None:
    if agent_id:
        return engine.world.apps.get(f"{corp_id}|{agent_id}")
    return next((a for a in engine.world.apps if a.corp_id == corp_id), None)


def _choose(everybody: list[Staff]) -> BaseResponse:
    query = {k: v for k, v in request.args.items() if k != "staff"}
    page = render_template("choose_staff.html", staff=everybody, action=request.path, query=query)
    return Response(page, content_type="text/html; charset=utf-8")


def _refuse(message: str, errcode: int) -> tuple[str, int]:
    return f"errcode: {errcode}, errmsg: {message}", 400
