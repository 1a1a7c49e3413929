"""A callback of either platform: opened with its receiver's keys, stored, answered."""

from __future__ import annotations

from flask import Response, request

from app.core import inbox
from app.wechat.callbacks import open_callback

from .receivers import keys


def asked(*names: str) -> dict[str, str]:
    """Parameters of the query; one that is missing is empty, and its signature wrong."""
    return {name: request.args.get(name, "") for name in names}


def plain(text: str) -> Response:
    return Response(text, mimetype="text/plain")


def store(kind: str, namespace: str) -> Response:
    """Store the event for the account of `kind` and say so.

    The plaintext's digest is its key: retries are encrypted anew, and sender and second (`sys`, CreateTime) are the
    same for two customers who come at once.
    """
    args = request.args
    event = open_callback(
        keys(kind, namespace),
        body=request.get_data(),
        msg_signature=args.get("msg_signature", ""),
        timestamp=args.get("timestamp", ""),
        nonce=args.get("nonce", ""),
    )
    inbox.receive(
        source=f"{kind}:{namespace}", key=event.plaintext_digest, kind=f"{kind}.{event.kind}", payload=event.fields
    )
    return plain("success")
