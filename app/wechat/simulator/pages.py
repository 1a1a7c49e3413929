"""The simulator's own pages: control room, the mini-program client, the WeCom client, and what they need."""

from __future__ import annotations

import html
import io
import threading
import zlib
from pathlib import Path

import requests
import segno
from flask import Blueprint, Response, abort, current_app, jsonify, make_response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.oauth import STAFF_COOKIE

clients = Blueprint("simulator_pages", __name__)
PROXIED = {"Authorization", "Content-Type", "Accept", "Idempotency-Key", "X-Appid", "X-Request-Id"}
COLOURS = ("#07c160", "#10aeff", "#fa9d3b", "#6467f0", "#fa5151", "#1485ee", "#c87d2f", "#91d300")
JSSDK = Path(__file__).parent / "static" / "ww.js"
_local = threading.local()


def engine() -> Engine:
    return current_app.config["ENGINE"]


@clients.get("/")
def control_room() -> str:
    return render_template("control.html", product=current_app.config["PRODUCT_URL"])


@clients.get("/favicon.ico")
def favicon() -> tuple[str, int]:
    return "", 204


@clients.get("/client/miniprogram")
def mini_client() -> str:
    world = engine().world
    with world.lock:
        minis = [{"appid": m.appid, "name": m.name or m.appid} for m in world.minis if m.kind == "mini"]
    return render_template(
        "miniprogram.html",
        customer=request.args.get("customer", ""),
        minis=minis,
        appid=request.args.get("appid") or (minis[0]["appid"] if minis else ""),
    )


@clients.get("/client/wecom")
def wecom_client() -> BaseResponse:
    """Sets the cookie that tells the OAuth page who holds this phone; the sidebar in the frame signs in with it."""
    userid = request.args.get("staff", "")
    world = engine().world
    with world.lock:
        known = [s for s in world.staff if s.status == 1]
        staff = next((s for s in known if s.userid == userid), known[0] if known and not userid else None)
        apps = [a for a in world.apps if staff and a.corp_id == staff.corp_id]
    response = make_response(
        render_template(
            "wecom.html",
            staff=staff,
            agent_id=apps[0].agent_id if apps else "",
            product=current_app.config["PRODUCT_URL"],
            sidebar=sidebar_url(staff.corp_id if staff else ""),
        )
    )
    if staff:
        response.set_cookie(STAFF_COOKIE, staff.userid, samesite="Lax", httponly=True)
    return response


def sidebar_url(corp_id: str) -> str:
    """The page WeCom opens beside a chat, as configured in its console: `meta` may hold another one."""
    configured = engine().world.value("sidebar_url")
    return configured or f"{current_app.config['PRODUCT_URL']}/sidebar/?corp_id={corp_id}"


@clients.route("/client/api/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def product_api(path: str) -> Response:
    """The product's API from a page of another origin: a real mini-program has no CORS."""
    base = current_app.config["PRODUCT_URL"]
    if not base or not path.startswith("api/") or ".." in path:
        abort(404)
    session = getattr(_local, "session", None)
    if session is None:
        session = _local.session = requests.Session()
        session.trust_env = False
    headers = {k: v for k, v in request.headers.items() if k.title() in PROXIED}
    try:
        answer = session.request(
            request.method,
            f"{base}/{path}",
            params=request.args.to_dict(flat=False),
            data=request.get_data(),
            headers=headers,
            timeout=10,
            allow_redirects=False,
        )
    except requests.RequestException:
        return make_response(jsonify(code="product_unreachable", message="产品服务没有响应", data={}), 502)
    return Response(answer.content, status=answer.status_code, content_type=answer.headers.get("Content-Type"))


@clients.get("/jssdk/ww.js")
def jssdk() -> Response:
    """The JS-SDK stand-in for the product's sidebar page, which is of another origin."""
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "no-cache"}
    return Response(JSSDK.read_bytes(), mimetype="text/javascript", headers=headers)


@clients.post("/jssdk/check")
def jssdk_check() -> Response:
    """Whether a JS-SDK signature is right: {kind: config|agentConfig, corp_id, agent_id, url, timestamp, ...}."""
    values = request.get_json(silent=True) or {}
    agent = str(values.get("agent_id") or "")
    right = engine().tokens.signature_matches(
        kind="agent" if values.get("kind") == "agentConfig" else "jsapi",
        corp_id=str(values.get("corp_id", "")),
        agent_id=int(agent) if agent.isdigit() else None,
        nonce=str(values.get("nonceStr", "")),
        timestamp=str(values.get("timestamp", "")),
        url=str(values.get("url", "")),
        signature=str(values.get("signature", "")),
    )
    return jsonify(ok=right)


@clients.get("/qr/<config_id>.png")
def contact_way_qr(config_id: str) -> Response:
    """The picture of a contact way's QR code: it opens the scan page."""
    if config_id not in engine().world.ways:
        abort(404)
    base = current_app.config["PUBLIC_URL"] or request.host_url.rstrip("/")
    picture = io.BytesIO()
    segno.make(f"{base}/scan/{config_id}", error="m").save(picture, kind="png", scale=6, border=3)
    return Response(picture.getvalue(), mimetype="image/png")


@clients.get("/scan/<config_id>")
def scan_page(config_id: str) -> str:
    world = engine().world
    with world.lock:
        way = world.ways.get(config_id)
        if way is None:
            abort(404)
        names = [world.staff.rows[f"{way.corp_id}|{u}"].name for u in way.user]
    return render_template("scan.html", way=way, names=names)


@clients.get("/qr.svg")
def any_qr() -> Response:
    """?text=: the QR code of a coupon's rotating code."""
    text = request.args.get("text", "")
    if not 1 <= len(text) <= 500:
        abort(404)
    picture = io.BytesIO()
    segno.make(text, error="m").save(picture, kind="svg", scale=8, border=2, dark="#111")
    return Response(picture.getvalue(), mimetype="image/svg+xml", headers={"Cache-Control": "no-store"})


@clients.get("/avatar/<key>.svg")
def avatar(key: str) -> Response:
    """A coloured disc with the last letter of the customer's or member's name."""
    world = engine().world
    with world.lock:
        customer = world.customers.get(key)
        name = customer.name if customer else next((s.name for s in world.staff if s.userid == key), "客")
    colour = COLOURS[zlib.crc32(key.encode()) % len(COLOURS)]
    letter = html.escape(name[-1:] or "客")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="8" '
        f'fill="{colour}"/><text x="32" y="43" font-size="30" text-anchor="middle" fill="#fff" '
        f'font-family="sans-serif">{letter}</text></svg>'
    )
    return Response(svg, mimetype="image/svg+xml", headers={"Cache-Control": "max-age=3600"})


@clients.get("/media/<media_id>")
def media(media_id: str) -> Response:
    row = engine().world.media.get(media_id)
    if row is None or media_id not in engine().files or not row.content_type.startswith("image/"):
        abort(404)
    return Response(engine().files[media_id], mimetype=row.content_type)
