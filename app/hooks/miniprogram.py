"""Message push of a mini-program (developers.weixin.qq.com, secure mode): GET checks the URL, POST brings an event."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from app.wechat.callbacks import verify_plain_url

from .intake import asked, plain, store
from .receivers import keys

bp = APIBlueprint("hooks_miniprogram", __name__, url_prefix="/hooks/miniprogram", enable_openapi=False)


@bp.get("/<appid>")
def check(appid: str) -> Response:
    """Answer the URL check with the echostr, which is not encrypted here but signed."""
    token = keys("miniprogram", appid).token
    return plain(verify_plain_url(token, **asked("signature", "timestamp", "nonce", "echostr")))


@bp.post("/<appid>")
def receive(appid: str) -> Response:
    return store("miniprogram", appid)
