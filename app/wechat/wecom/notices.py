"""App messages to members of staff (WeCom docs, path/90236), and media for any message (path/90253).

A member gets at most 30 a minute and 1,000 an hour from one app; what exceeds that is dropped without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import limits, reply
from ..errors import MessageInvalid
from .topic import Topic

_TASK_ID = re.compile(r"[0-9a-zA-Z_@-]{1,128}")
_CARD_TYPES = {"text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction"}
_INTERACTIVE = {"button_interaction", "vote_interaction", "multiple_interaction"}
_MEDIA_LIMITS = {"image": 10, "voice": 2, "video": 10, "file": 20}  # MiB


@dataclass(frozen=True)
class Text:
    content: str

    def wire(self) -> dict[str, Any]:
        limits.present(self.content, "content")
        limits.at_most_bytes(self.content, 2048, "content")  # WeCom would cut silently
        return {"msgtype": "text", "text": {"content": self.content}}


@dataclass(frozen=True)
class TextCard:
    title: str
    description: str
    url: str
    btntxt: str = ""

    def wire(self) -> dict[str, Any]:
        for name in ("title", "description", "url"):
            limits.present(getattr(self, name), name)
        limits.at_most_characters(self.title, 128, "title")
        limits.at_most_characters(self.description, 512, "description")
        limits.at_most_bytes(self.url, 2048, "url")
        limits.at_most_characters(self.btntxt, 4, "btntxt")
        card = {"title": self.title, "description": self.description, "url": self.url}
        return {"msgtype": "textcard", "textcard": card | ({"btntxt": self.btntxt} if self.btntxt else {})}


@dataclass(frozen=True)
class MiniProgramNotice:
    """Title and description of 4 to 12 characters; up to ten items of key (10) and value (30)."""

    appid: str
    title: str
    page: str = ""
    description: str = ""
    emphasis_first_item: bool = False
    items: tuple[tuple[str, str], ...] = ()

    def wire(self) -> dict[str, Any]:
        limits.present(self.appid, "appid")
        for name, text in (("title", self.title), ("description", self.description)):
            if (text or name == "title") and not 4 <= len(text) <= 12:
                raise MessageInvalid(f"{name} must have 4 to 12 characters.", field=name, limit=12)
        limits.at_most_bytes(self.page, 1024, "page")
        limits.at_most_items(self.items, 10, "items")
        for key, value in self.items:
            limits.at_most_characters(key, 10, "items.key")
            limits.at_most_characters(value, 30, "items.value")
        notice: dict[str, Any] = {"appid": self.appid, "title": self.title}
        notice |= {"page": self.page} if self.page else {}
        notice |= {"description": self.description} if self.description else {}
        notice["emphasis_first_item"] = self.emphasis_first_item
        notice["content_item"] = [{"key": key, "value": value} for key, value in self.items]
        return {"msgtype": "miniprogram_notice", "miniprogram_notice": notice}


@dataclass(frozen=True)
class TemplateCard:
    """A card as documented, with the limits that make WeCom refuse it checked. `task_id` is unique per app."""

    card_type: str
    content: Mapping[str, Any] = field(default_factory=dict)
    task_id: str = ""

    def wire(self) -> dict[str, Any]:
        if self.card_type not in _CARD_TYPES:
            raise MessageInvalid("card_type is unknown.", field="card_type")
        needs_task = self.card_type in _INTERACTIVE or "action_menu" in self.content
        if (needs_task or self.task_id) and not _TASK_ID.fullmatch(self.task_id):
            raise MessageInvalid("task_id must have 1 to 128 of 0-9 a-z A-Z _ - @.", field="task_id", limit=128)
        for name, limit in (("button_list", 6), ("horizontal_content_list", 6), ("jump_list", 3)):
            limits.at_most_items(self.content.get(name, ()), limit, name)
        card = {**self.content, "card_type": self.card_type} | ({"task_id": self.task_id} if self.task_id else {})
        return {"msgtype": "template_card", "template_card": card}


Notice = Text | TextCard | MiniProgramNotice | TemplateCard


@dataclass(frozen=True)
class Sent:
    """An accepted app message. `invalid_users` are ids as we passed them, though WeCom answers in lower case."""

    msgid: str
    invalid_users: tuple[str, ...]
    response_code: str | None  # lets a template card be changed once, within 72 h


@dataclass(frozen=True)
class Media:
    """Uploaded media, usable by all apps of the corp for three days."""

    media_id: str
    created_at: datetime | None


class Notices(Topic):
    def send_app_message(self, userids: Sequence[str], notice: Notice, *, dedupe_seconds: int = 0) -> Sent:
        """Write to members. With `dedupe_seconds` (at most 14,400) WeCom itself drops a repetition of the same
        content to the same member, which makes the call safe to repeat; without it a lost answer is `UnknownOutcome`.
        """
        limits.present(userids, "userids")
        limits.at_most_items(userids, 1000, "userids")
        if any("|" in userid or userid.lower() == "@all" for userid in userids):
            raise MessageInvalid("userids must be single members.", field="userids")
        body = {"touser": "|".join(userids), "agentid": self.app.agent_id} | notice.wire()
        if dedupe_seconds:
            body |= {"enable_duplicate_check": 1, "duplicate_check_interval": min(dedupe_seconds, 14_400)}
        answer = self.client.post("/cgi-bin/message/send", body, repeatable=bool(dedupe_seconds))
        invalid = {name.casefold() for key in ("invaliduser", "unlicenseduser") for name in reply.texts(answer, key)}
        return Sent(
            msgid=reply.text(answer, "msgid"),
            invalid_users=tuple(userid for userid in userids if userid.casefold() in invalid),
            response_code=reply.optional_text(answer, "response_code"),
        )

    def update_card_button(self, userids: Sequence[str], response_code: str, label: str) -> None:
        """Replace the buttons of a card by a dead one that says `label` (docs path/94888). A response code works once:
        `Rejected` with reason `card_response_expired` when it was used or is too old.
        """
        limits.present(userids, "userids")
        limits.present(response_code, "response_code")
        body = {
            "userids": list(userids),
            "agentid": self.app.agent_id,
            "response_code": response_code,
            "button": {"replace_name": label},
        }
        self.client.post("/cgi-bin/message/update_template_card", body, repeatable=True)

    def upload_media(self, kind: str, *, filename: str, content: bytes, content_type: str) -> Media:
        """Upload an image, voice, video or file (10, 2, 10, 20 MiB; more than 5 bytes)."""
        if kind not in _MEDIA_LIMITS:
            raise MessageInvalid("The kind of media is unknown.", field="kind")
        if not 5 < len(content) <= _MEDIA_LIMITS[kind] << 20:
            limit = _MEDIA_LIMITS[kind] << 20
            raise MessageInvalid(f"{kind} must have 6 to {limit} bytes.", field="content", limit=limit)
        limits.present(filename, "filename")
        answer = self.client.upload(
            "/cgi-bin/media/upload", files={"media": (filename, content, content_type)}, type=kind
        )
        return Media(reply.text(answer, "media_id"), reply.moment(answer, "created_at"))
