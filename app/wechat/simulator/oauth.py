"""The OAuth pages: WeCom's silent authorisation, its QR login of a website, and an official account's web login."""

from __future__ import annotations

import itertools
import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Response, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.rows import App, Customer, MiniProgram, Staff

pages = Blueprint("simulator_oauth", __name__)
STAFF_COOKIE, CUSTOMER_COOKIE = "simulator_staff", "simulator_customer"


@pages.get("/connect/oauth2/authorize")
def authorize() -> BaseResponse | tuple[str, int]:
    """Answers at once as the member whose client page is open (a cookie it sets); without one, asks who you are."""
    engine: Engine = current_app.config["ENGINE"]
    official = engine.world.minis.get(request.args.get("appid", ""))
    if official is not None and official.kind == "official":
        return _web_login(engine, official)
    return _authorize(request.args.get("appid", ""), request.args.get("agentid", ""), silent=True)


@pages.get("/wwlogin/sso/login")
def qr_login() -> BaseResponse | tuple[str, int]:
    """The website login a member confirms by scanning: here, by choosing a name."""
    return _authorize(request.args.get("appid", ""), request.args.get("agentid", ""), silent=False)


def _web_login(engine: Engine, official: MiniProgram) -> BaseResponse | tuple[str, int]:
    """Answers at once as the customer whose phone it is (a cookie); without one, asks who you are."""
    if list(request.args)[:5] != ["appid", "redirect_uri", "response_type", "scope", "state"]:
        return _refuse("the parameters are missing or in another order", 10003)
    target, state = urlsplit(request.args["redirect_uri"]), request.args["state"]
    if target.scheme not in ("http", "https") or not target.netloc:
        return _refuse("redirect_uri domain is not configured", 10003)
    if not re.fullmatch(r"[0-9a-zA-Z]{0,128}", state):
        return _refuse("invalid state", 10004)
    with engine.world.lock:
        chosen = request.args.get("customer") or request.cookies.get(CUSTOMER_COOKIE, "")
        customer = engine.world.customers.get(chosen)
        if customer is None:
            return _choose_customer(list(itertools.islice(engine.world.customers, 50)))
        code = engine.codes.web(customer, official.appid, request.args["scope"])
    query = [*parse_qsl(target.query, keep_blank_values=True), ("code", code), ("state", state)]
    answer = redirect(urlunsplit((target.scheme, target.netloc, target.path, urlencode(query), "")), 302)
    answer.set_cookie(CUSTOMER_COOKIE, customer.id, samesite="Lax", httponly=True)
    return answer


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


def _choose_customer(everybody: list[Customer]) -> BaseResponse:
    query = {k: v for k, v in request.args.items() if k != "customer"}
    page = render_template("choose_customer.html", customers=everybody, action=request.path, query=query)
    return Response(page, content_type="text/html; charset=utf-8")


def _choose(everybody: list[Staff]) -> BaseResponse:
    query = {k: v for k, v in request.args.items() if k != "staff"}
    page = render_template("choose_staff.html", staff=everybody, action=request.path, query=query)
    return Response(page, content_type="text/html; charset=utf-8")


def _refuse(message: str, errcode: int) -> tuple[str, int]:
    return f"errcode: {errcode}, errmsg: {message}", 400
