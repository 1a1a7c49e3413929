"""Message push of an official account (developers.weixin.qq.com, secure mode): GET checks the URL, POST brings a
message or an event. A body that is signed but not sealed is refused: the console must be set to secure mode.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from app.wechat.callbacks import verify_plain_url

from .intake import asked, plain, store
from .receivers import keys

bp = APIBlueprint("hooks_official", __name__, url_prefix="/hooks/official", enable_openapi=False)


@bp.get("/<appid>")
def check(appid: str) -> Response:
    """Answer the URL check with the echostr, which is not encrypted here but signed."""
    return plain(verify_plain_url(keys("official", appid).token, **asked("signature", "timestamp", "nonce", "echostr")))


@bp.post("/<appid>")
def receive(appid: str) -> Response:
    return store("official", appid)
