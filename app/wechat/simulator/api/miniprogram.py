"""The mini-program server: tokens, login, phone number, codes, subscribe messages (developers.weixin.qq.com)."""

from __future__ import annotations

import hashlib
import hmac
import io
import re
from typing import Any

import segno
from flask import Response

from app.wechat.simulator.api import Call, api
from app.wechat.simulator.errors import WireError

SCENE = re.compile(r"[0-9a-zA-Z!#$&'()*+,/:;=?@\-._~]{1,32}")


@api("/cgi-bin/token", "GET", credential="none", raw=True)
def token(call: Call) -> dict[str, Any]:
    _grant(call)
    return call.engine.tokens.mini_token(call.text("appid"), call.text("secret"))


@api("/cgi-bin/stable_token", credential="none", raw=True)
def stable_token(call: Call) -> dict[str, Any]:
    _grant(call)
    force = call.body.get("force_refresh") is True
    return call.engine.tokens.stable_token(call.text("appid"), call.text("secret"), force)


def _grant(call: Call) -> None:
    if call.text("grant_type") != "client_credential":
        raise WireError(40002, "invalid grant_type")


@api("/cgi-bin/ticket/getticket", "GET", credential="mini")
def getticket(call: Call) -> dict[str, Any]:
    return call.engine.tokens.ticket("jsapi", call.mini.appid, None)


@api("/sns/jscode2session", "GET", credential="none", raw=True)
def jscode2session(call: Call) -> dict[str, Any]:
    """No access token needed, and no errcode key on success."""
    return call.engine.codes.code2session(call.text("appid"), call.text("secret"), call.text("js_code"))


@api("/wxa/checksession", "GET", credential="mini")
def checksession(call: Call) -> dict[str, Any]:
    key = call.engine.world.value(f"session|{call.mini.appid}|{call.text('openid')}")
    expected = hmac.new((key or "").encode(), b"", hashlib.sha256).hexdigest()
    if not key or not hmac.compare_digest(expected, call.text("signature")):
        raise WireError(87009)
    return {}


@api("/wxa/business/getuserphonenumber", credential="mini")
def getuserphonenumber(call: Call) -> dict[str, Any]:
    return call.engine.codes.phone_number(call.mini, call.text("code"), call.text("openid") or None)


@api("/wxa/getwxacodeunlimit", credential="mini")
def getwxacodeunlimit(call: Call) -> dict[str, Any] | Response:
    """A PNG on success, JSON on failure. The picture here is a QR code of the page and its scene."""
    if not SCENE.fullmatch(call.text("scene")):
        raise WireError(40129)
    page = call.text("page")
    if page.startswith("/") or "?" in page:
        raise WireError(41030, "invalid page")
    return _png(f"miniprogram://{call.mini.appid}/{page or 'pages/index/index'}?scene={call.text('scene')}")


@api("/wxa/getwxacode", credential="mini")
def getwxacode(call: Call) -> dict[str, Any] | Response:
    if not 1 <= len(call.text("path")) <= 1024:
        raise WireError(40159, "invalid path")
    return _png(f"miniprogram://{call.mini.appid}/{call.text('path')}")


@api("/wxa/generate_urllink", credential="mini")
def generate_urllink(call: Call) -> dict[str, Any]:
    return {"url_link": f"{call.public_url}/client/miniprogram?link={call.engine.world.make_id('link', 11)}"}


@api("/wxa/generatescheme", credential="mini")
def generatescheme(call: Call) -> dict[str, Any]:
    return {"openlink": f"weixin://dl/business/?t={call.engine.world.make_id('scheme', 11)}"}


@api("/wxa/msg_sec_check", credential="mini")
def msg_sec_check(call: Call) -> dict[str, Any]:
    """Everything passes, unless it holds the word 违规."""
    if len(call.text("content")) > 2500:
        raise WireError(45002)
    risky = "违规" in call.text("content")
    result = {"suggest": "risky" if risky else "pass", "label": 20001 if risky else 100}
    return {"result": result, "detail": [], "trace_id": call.engine.world.make_id("trace", 24)}


@api("/cgi-bin/message/subscribe/send", credential="mini")
def subscribe_send(call: Call) -> dict[str, Any]:
    return call.engine.messages.send_subscribe(call.mini, call.body)


def _png(text: str) -> Response:
    picture = io.BytesIO()
    segno.make(text, error="m").save(picture, kind="png", scale=8, border=2)
    return Response(picture.getvalue(), mimetype="image/png")
