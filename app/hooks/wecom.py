"""Callbacks of WeCom (docs path/90930): GET checks the URL, POST brings an event, XML or JSON."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from .intake import echo, store
from .receivers import keys

bp = APIBlueprint("hooks_wecom", __name__, url_prefix="/hooks/wecom", enable_openapi=False)


@bp.get("/<corp_id>")
def check(corp_id: str) -> Response:
    """Answer the URL check of the admin console with the decrypted echostr, bare."""
    return echo(keys("wecom", corp_id))


@bp.post("/<corp_id>")
def receive(corp_id: str) -> Response:
    return store("wecom", corp_id)
