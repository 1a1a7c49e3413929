"""Words to customers: the welcome message and mass sends that a member confirms (WeCom docs, path/92137, 92135, 93338).

Nothing else in WeCom lets a server write to a customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from .. import limits, reply
from ..errors import MessageInvalid
from .topic import CONTACT, Topic

T = TypeVar("T")

WELCOME_SECONDS = 6.0  # of the 20 a welcome code lives, and less than a worker's lease, so that others may still try


@dataclass(frozen=True)
class Image:
    media_id: str = ""
    pic_url: str = ""

    def wire(self) -> dict[str, Any]:
        limits.present(self.media_id or self.pic_url, "image.media_id")
        return {"msgtype": "image", "image": _given(media_id=self.media_id, pic_url=self.pic_url)}


@dataclass(frozen=True)
class Link:
    title: str
    url: str
    picurl: str = ""
    desc: str = ""

    def wire(self) -> dict[str, Any]:
        limits.present(self.title, "link.title")
        limits.present(self.url, "link.url")
        limits.at_most_bytes(self.title, 128, "link.title")
        limits.at_most_bytes(self.desc, 512, "link.desc")
        limits.at_most_bytes(self.url, 2048, "link.url")
        link = _given(title=self.title, url=self.url, picurl=self.picurl, desc=self.desc)
        return {"msgtype": "link", "link": link}


@dataclass(frozen=True)
class MiniProgramCard:
    title: str
    pic_media_id: str
    appid: str
    page: str

    def wire(self) -> dict[str, Any]:
        for name in ("title", "pic_media_id", "appid", "page"):
            limits.present(getattr(self, name), f"miniprogram.{name}")
        limits.at_most_bytes(self.title, 64, "miniprogram.title")
        card = {"title": self.title, "pic_media_id": self.pic_media_id, "appid": self.appid, "page": self.page}
        return {"msgtype": "miniprogram", "miniprogram": card}


@dataclass(frozen=True)
class Video:
    media_id: str

    def wire(self) -> dict[str, Any]:
        limits.present(self.media_id, "video.media_id")
        return {"msgtype": "video", "video": {"media_id": self.media_id}}


@dataclass(frozen=True)
class File:
    media_id: str

    def wire(self) -> dict[str, Any]:
        limits.present(self.media_id, "file.media_id")
        return {"msgtype": "file", "file": {"media_id": self.media_id}}


Attachment = Image | Link | MiniProgramCard | Video | File


@dataclass(frozen=True)
class Message:
    """A text (at most 4,000 bytes of UTF-8) and up to nine attachments; at least one of the two."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()

    def wire(self) -> dict[str, Any]:
        limits.present(self.text or self.attachments, "text")
        limits.at_most_bytes(self.text, 4000, "text")
        limits.at_most_items(self.attachments, 9, "attachments")
        body: dict[str, Any] = {"text": {"content": self.text}} if self.text else {}
        if self.attachments:
            body["attachments"] = [attachment.wire() for attachment in self.attachments]
        return body


@dataclass(frozen=True)
class MassSend:
    """A created mass send; `failed` are the customers it cannot go to."""

    msgid: str
    failed: tuple[str, ...]


@dataclass(frozen=True)
class MassMember:
    """Whether one member has confirmed. `status` 0 not yet, 2 sent."""

    userid: str
    status: int
    sent_at: datetime | None


@dataclass(frozen=True)
class MassReceiver:
    """What became of one customer. `status` 0 unsent, 1 sent, 2 no longer a friend, 3 got another mass message."""

    external_userid: str | None
    chat_id: str | None
    userid: str
    status: int
    sent_at: datetime | None


@dataclass(frozen=True)
class Page(Generic[T]):
    rows: tuple[T, ...]
    next_cursor: str | None


class Messages(Topic):
    def send_welcome(self, welcome_code: str, message: Message) -> None:
        """Greet a new customer within 20 s of the event; the code works once.

        Repeated after a lost answer, because the code itself prevents a second message: then, and when another app
        was faster, it ends as `Rejected` with reason `welcome_already_handled`. Too late: `welcome_code_expired`.
        """
        limits.present(welcome_code, "welcome_code")
        body = {"welcome_code": welcome_code} | message.wire()
        self.client.post(CONTACT + "send_welcome_msg", body, repeatable=True, budget=WELCOME_SECONDS)

    def create_mass_send(
        self,
        message: Message,
        *,
        sender: str,
        external_userids: Sequence[str] = (),
        chat_type: str = "single",
        chat_ids: Sequence[str] = (),
        allow_select: bool = False,
    ) -> MassSend:
        """Ask the member `sender` to send `message` to these customers; nothing goes out before he confirms.

        A lost answer is `UnknownOutcome`: look for the task with the mass-send list before creating another.
        """
        if chat_type not in ("single", "group"):
            raise MessageInvalid("chat_type must be single or group.", field="chat_type")
        limits.present(sender, "sender")
        limits.at_most_items(external_userids, 10_000, "external_userids")
        limits.at_most_items(chat_ids, 2000, "chat_ids")
        body = {"chat_type": chat_type, "sender": sender, "allow_select": allow_select} | message.wire()
        if external_userids:
            body["external_userid"] = list(external_userids)
        if chat_ids:
            body["chat_id_list"] = list(chat_ids)
        answer = self.client.post(CONTACT + "add_msg_template", body)
        return MassSend(reply.text(answer, "msgid"), reply.texts(answer, "fail_list"))

    def mass_send_members(self, msgid: str, *, cursor: str = "", limit: int = 1000) -> Page[MassMember]:
        body = {"msgid": msgid, "limit": limit, "cursor": cursor}
        answer = self.client.post(CONTACT + "get_groupmsg_task", body, repeatable=True)
        rows = tuple(
            MassMember(reply.text(row, "userid"), reply.number(row, "status"), reply.moment(row, "send_time"))
            for row in reply.objects(answer, "task_list")
        )
        return Page(rows, reply.optional_text(answer, "next_cursor"))

    def mass_send_results(self, msgid: str, *, userid: str, cursor: str = "", limit: int = 1000) -> Page[MassReceiver]:
        body = {"msgid": msgid, "userid": userid, "limit": limit, "cursor": cursor}
        answer = self.client.post(CONTACT + "get_groupmsg_send_result", body, repeatable=True)
        rows = tuple(
            MassReceiver(
                external_userid=reply.optional_text(row, "external_userid"),
                chat_id=reply.optional_text(row, "chat_id"),
                userid=reply.text(row, "userid"),
                status=reply.number(row, "status"),
                sent_at=reply.moment(row, "send_time"),
            )
            for row in reply.objects(answer, "send_list")
        )
        return Page(rows, reply.optional_text(answer, "next_cursor"))


def _given(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
