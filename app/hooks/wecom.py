"""Callbacks of WeCom (docs path/90930): GET checks the URL, POST brings an event, XML or JSON."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from app.core import inbox
from app.wechat.callbacks import open_callback, verify_url

from .receivers import keys

bp = APIBlueprint("hooks_wecom", __name__, url_prefix="/hooks/wecom", enable_openapi=False)


@bp.get("/<corp_id>")
def check(corp_id: str) -> Response:
    """Answer the URL check of the admin console with the decrypted echostr, bare."""
    args = request.args
    echo = verify_url(
        keys("wecom", corp_id),
        msg_signature=args.get("msg_signature", ""),
        timestamp=args.get("timestamp", ""),
        nonce=args.get("nonce", ""),
        echostr=args.get("echostr", ""),
    )
    return Response(echo, mimetype="text/plain")


@bp.post("/<corp_id>")
def receive(corp_id: str) -> Response:
    """Store the event and say so. The plaintext's digest is its key: retries are encrypted anew, and sender and second
    (`sys`, CreateTime) are the same for two customers who come at once.
    """
    args = request.args
    event = open_callback(
        keys("wecom", corp_id),
        body=request.get_data(),
        msg_signature=args.get("msg_signature", ""),
        timestamp=args.get("timestamp", ""),
        nonce=args.get("nonce", ""),
    )
    inbox.receive(
        source=f"wecom:{corp_id}", key=event.plaintext_digest, kind=f"wecom.{event.kind}", payload=event.fields
    )
    return Response("success", mimetype="text/plain")
