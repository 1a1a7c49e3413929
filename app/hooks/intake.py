"""A callback of any platform: opened with its receiver's keys, stored, answered."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from app.core import inbox
from app.core.metrics import CALLBACKS
from app.wechat.callbacks import CallbackEvent, CallbackKeys, open_callback, verify_url

from .receivers import keys


def asked(*names: str) -> dict[str, str]:
    """Parameters of the query; one that is missing is empty, and its signature wrong."""
    return {name: request.args.get(name, "") for name in names}


def echo(receiver: CallbackKeys, *, also: Callable[[str], bool] | None = None) -> Response:
    """Answer the URL check of WeCom's admin console with the decrypted echostr, bare."""
    args = request.args
    text = verify_url(
        receiver,
        msg_signature=args.get("msg_signature", ""),
        timestamp=args.get("timestamp", ""),
        nonce=args.get("nonce", ""),
        echostr=args.get("echostr", ""),
        also=also,
    )
    return plain(text)


def plain(text: str) -> Response:
    return Response(text, mimetype="text/plain")


def store(kind: str, namespace: str) -> Response:
    """Store the event for the account of `kind` and say so."""
    keep(opened(keys(kind, namespace)), kind, namespace)
    return plain("success")


def opened(receiver: CallbackKeys, *, also: Callable[[str], bool] | None = None) -> CallbackEvent:
    """The event in the request, verified and decrypted (see `open_callback` for `also`)."""
    args = request.args
    return open_callback(
        receiver,
        body=request.get_data(),
        msg_signature=args.get("msg_signature", ""),
        timestamp=args.get("timestamp", ""),
        nonce=args.get("nonce", ""),
        also=also,
    )


def keep(event: CallbackEvent, kind: str, namespace: str) -> None:
    """Store an event, durably, before it is answered; one of a kind that nobody handles is stored and counted too.

    The plaintext's digest is its key: retries are encrypted anew, and sender and second (`sys`, CreateTime) are the
    same for two customers who come at once.
    """
    name = f"{kind}.{event.kind}"
    new = inbox.receive(source=f"{kind}:{namespace}", key=event.plaintext_digest, kind=name, payload=event.fields)
    handled = inbox.is_handled(name)
    # The name of an unknown kind is the sender's word and no label: there would be no end of them.
    outcome = ("handled" if handled else "unhandled") if new else "repeated"
    CALLBACKS.labels(name if handled else f"{kind}.other", outcome).inc()
