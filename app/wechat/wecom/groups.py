"""Group chats of customers (WeCom docs, path/92120, 92122)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import limits, reply
from .topic import CONTACT, Topic


@dataclass(frozen=True)
class ListedChat:
    """`status` 0 as it should be, 1 the owner has left, 2 being handed over, 3 handed over."""

    chat_id: str
    status: int


@dataclass(frozen=True)
class ChatPage:
    chats: tuple[ListedChat, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class ChatMember:
    """`type` 1 a member of staff, 2 an outsider (`userid` is then an external userid). `join_scene` 1 invited by a
    member, 2 by a link, 3 by a code, whose `state` is told.
    """

    userid: str
    type: int
    unionid: str | None
    joined_at: datetime | None
    join_scene: int
    invitor: str | None
    nickname: str
    name: str
    state: str | None


@dataclass(frozen=True)
class GroupChat:
    """`member_version` changes with every change of the members."""

    chat_id: str
    name: str
    owner: str
    notice: str
    created_at: datetime | None
    member_version: str
    admins: tuple[str, ...]
    members: tuple[ChatMember, ...]


class Groups(Topic):
    def group_chats(self, *, owners: Sequence[str] = (), cursor: str = "", limit: int = 1000) -> ChatPage:
        """Group chats of up to 100 owners, up to 1,000 a page; walk until `next_cursor` is None. Without owners all
        the app sees, `Rejected` with reason `too_many_objects` when that is more than 1,000 members.
        """
        limits.at_most_items(owners, 100, "owners")
        body: dict[str, Any] = {"status_filter": 0, "cursor": cursor, "limit": min(limit, 1000)}
        if owners:
            body["owner_filter"] = {"userid_list": list(owners)}
        answer = self.client.post(CONTACT + "groupchat/list", body, repeatable=True)
        chats = tuple(
            ListedChat(reply.text(row, "chat_id"), reply.number(row, "status"))
            for row in reply.listing(answer, "group_chat_list")
        )
        return ChatPage(chats, reply.optional_text(answer, "next_cursor"))

    def group_chat(self, chat_id: str) -> GroupChat:
        """One group chat with its members and their names. WeCom's data is some two seconds behind its callbacks."""
        answer = self.client.post(CONTACT + "groupchat/get", {"chat_id": chat_id, "need_name": 1}, repeatable=True)
        row = reply.record(answer, "group_chat")
        return GroupChat(
            chat_id=reply.text(row, "chat_id"),
            name=reply.optional_text(row, "name") or "",
            owner=reply.optional_text(row, "owner") or "",
            notice=reply.optional_text(row, "notice") or "",
            created_at=reply.moment(row, "create_time"),
            member_version=reply.optional_text(row, "member_version") or "",
            admins=tuple(reply.text(one, "userid") for one in reply.objects(row, "admin_list")),
            members=tuple(_member(one) for one in reply.listing(row, "member_list")),
        )


def _member(row: dict[str, Any]) -> ChatMember:
    return ChatMember(
        userid=reply.text(row, "userid"),
        type=reply.number(row, "type"),
        unionid=reply.optional_text(row, "unionid"),
        joined_at=reply.moment(row, "join_time"),
        join_scene=reply.number(row, "join_scene"),
        invitor=reply.optional_text(reply.record(row, "invitor"), "userid"),
        nickname=reply.optional_text(row, "group_nickname") or "",
        name=reply.optional_text(row, "name") or "",
        state=reply.optional_text(row, "state"),
    )
