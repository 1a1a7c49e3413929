"""The picture of a channel code, to print or to show."""

from __future__ import annotations

import io
from dataclasses import dataclass

import segno

from app.channels.codes.models import ChannelCode
from app.core.errors import Conflict

from . import accounts

_SIGNATURES = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


class NoPictureYet(Conflict):
    code, message = "channel_code_not_ready", "WeCom has not made the code yet, or it is out of use."


@dataclass(frozen=True)
class Picture:
    """An address of WeCom's, or the bytes themselves."""

    url: str | None = None
    content: bytes = b""
    mimetype: str = ""


def picture(code: ChannelCode) -> Picture:
    """The code's picture; asks WeChat for a mini-program's, so outside any transaction. NoPictureYet."""
    if code.status == "retired":
        raise NoPictureYet()
    if code.kind == "miniprogram":
        content = accounts.miniprogram(code.brand_id).wxacode_unlimited(scene=code.state, page=code.page)
        mimetype = next((kind for head, kind in _SIGNATURES if content.startswith(head)), None)
        if mimetype is None:
            raise NoPictureYet()
        return Picture(content=content, mimetype=mimetype)
    if not code.qr_code:
        raise NoPictureYet()
    if code.kind == "contact_way":
        return Picture(url=code.qr_code)
    drawn = io.BytesIO()
    segno.make(code.qr_code, error="m").save(drawn, kind="png", scale=8, border=2)
    return Picture(content=drawn.getvalue(), mimetype="image/png")
