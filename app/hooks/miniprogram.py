"""Message push of a mini-program (developers.weixin.qq.com, secure mode): GET checks the URL, POST brings an event."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from app.core import inbox
from app.wechat.callbacks import open_callback, verify_plain_url

from .receivers import keys

bp = APIBlueprint("hooks_miniprogram", __name__, url_prefix="/hooks/miniprogram", enable_openapi=False)


@bp.get("/<appid>")
def check(appid: str) -> Response:
    """Answer the URL check with the echostr, which is not encrypted here but signed."""
    args = request.args
    echo = verify_plain_url(
        keys("miniprogram", appid).token,
        signature=args.get("signature", ""),
        timestamp=args.get("timestamp", ""),
        nonce=args.get("nonce", ""),
        echostr=args.get("echostr", ""),
    )
    return Response(echo, mimetype="text/plain")


@bp.post("/<appid>")
def receive(appid: str) -> Response:
    """Store the event and say so."""
    args = request.args
    event = open_callback(
        keys("miniprogram", appid),
        body=request.get_data(),
        msg_signature=args.get("msg_signature", ""),
        timestamp=args.get("timestamp", ""),
        nonce=args.get("nonce", ""),
    )
    inbox.receive(
        source=f"miniprogram:{appid}",
        key=event.plaintext_digest,
        kind=f"miniprogram.{event.kind}",
        payload=event.fields,
    )
    return Response("success", mimetype="text/plain")
