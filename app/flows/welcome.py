"""The welcome message: the one thing a server may say to a customer, within 20 seconds, once.

Reserved by its welcome code before it is sent. A worker that dies in between leaves the reservation behind, and whoever
comes next sends again: WeCom honours a code once, so the repetition of a message that did arrive is refused
(`welcome_already_handled`) and nobody is greeted twice. Elsewhere a reserved effect is never repeated blindly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urljoin

from flask import current_app

from app.channels import commands as channels
from app.channels import queries as channel_queries
from app.channels.codes import queries as codes
from app.channels.events import CustomerAdded
from app.content import queries as content
from app.content.queries import Attachment, Rendered
from app.core import clock
from app.core.errors import SiyuError
from app.core.work import Effect
from app.org import queries as org
from app.wechat.errors import Rejected, UnknownOutcome
from app.wechat.wecom import Image, Link, Message, MiniProgramCard

from . import accounts, cover

KIND = "welcome"
HOPELESS = timedelta(seconds=60)  # a welcome code lives 20 s; beyond this not even a clock that is off can save it


@dataclass(frozen=True)
class Request:
    brand_id: int
    welcome_code: str
    rendered: Rendered
    appid: str | None
    again: bool


def _read(event: CustomerAdded) -> Request | None:
    code = event.welcome_code
    if code is None:
        return None
    again = not channels.reserve_outbound(KIND, code, event.brand_id)
    if again:
        before = channel_queries.outbound(KIND, code)
        if before is None or before.status != "reserved":
            return None
    if clock.now().timestamp() - event.at > HOPELESS.total_seconds():
        status, error = ("unknown", "worker_lost") if again else ("failed", "welcome_code_expired")
        channels.finish_outbound(KIND, code, status=status, error=error)
        return None
    mini = org.account(event.brand_id, "miniprogram")
    return Request(event.brand_id, code, _rendered(event), mini.namespace if mini else None, again)


def _rendered(event: CustomerAdded) -> Rendered:
    channel = codes.by_state(event.state) if event.state else None
    material_id = channel.welcome_material_id if channel and channel.brand_id == event.brand_id else None
    guide = org.guide(event.guide_id) if event.guide_id is not None else None
    store = org.store(event.brand_id, event.store_id) if event.store_id is not None else None
    values = {
        "brand": org.brand(event.brand_id).name,
        "store": store.name if store else None,
        "guide": guide.name if guide else None,
    }
    return content.welcome(event.brand_id, material_id, event.store_id, values)


def _call(request: Request) -> None:
    gateway = accounts.wecom(request.brand_id)
    cards: list[Image | Link | MiniProgramCard] = []
    for attachment in request.rendered.attachments:
        if attachment.kind == "miniprogram":
            if request.appid is None:
                raise accounts.AccountMissing(kind="miniprogram")
            media_id = cover.media_id(gateway)
            cards.append(MiniProgramCard(attachment.title, media_id, request.appid, attachment.page))
        else:
            cards.append(_card(attachment))
    gateway.send_welcome(request.welcome_code, Message(request.rendered.text, tuple(cards)))


def _card(attachment: Attachment) -> Image | Link:
    if attachment.kind == "image":
        return Image(pic_url=_absolute(attachment.image_url))
    return Link(
        title=attachment.title,
        url=_absolute(attachment.url),
        picurl=_absolute(attachment.image_url),
        desc=attachment.description,
    )


def _absolute(url: str) -> str:
    """Material may name a page or picture of ours by its path; WeCom needs the whole address."""
    return urljoin(current_app.extensions["siyu"].public_url, url) if url else ""


def _record(request: Request, answer: SiyuError | None) -> None:
    if answer is None:
        channels.finish_outbound(KIND, request.welcome_code, status="sent")
    elif isinstance(answer, UnknownOutcome):
        channels.finish_outbound(KIND, request.welcome_code, status="unknown", error=answer.code)
    else:
        reason = answer.reason if isinstance(answer, Rejected) else answer.code
        arrived_before = request.again and reason == "welcome_already_handled"
        channels.finish_outbound(
            KIND, request.welcome_code, status="sent" if arrived_before else "failed", error=reason
        )


def _release(request: Request) -> None:
    channels.release_outbound(KIND, request.welcome_code)


WELCOME = Effect(read=_read, call=_call, record=_record, release=_release)
