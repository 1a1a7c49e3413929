"""Customer groups one by one, each with its members."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.channels import groups
from app.channels.groups import Present
from app.core import clock
from app.wechat.errors import Rejected
from app.wechat.wecom import GroupChat, WeCom

from .. import ours
from ..book import Book
from ..step import LAG, PATIENCE, Item, Outcome, Page, Read, Step

NAME = "chats"
_GROUPS = "groups"  # what differences and counts are about
_GONE = {"chat_unknown", "chat_dismissed"}


def _open(book: Book) -> Iterable[str]:
    if book.kind == "full":
        return []  # the lists have named them
    overdue = ours.unfetched(book.corp_id, "group_chat", before=clock.now() - PATIENCE)
    return [*overdue, *ours.chats_active(book.corp_id, since=book.since)]


def _ask(wecom: WeCom, item: Item) -> Page:
    chat = wecom.group_chat(item.subject)
    return Page(chat, rows=len(chat.members) // 4 + 1)


def _apply(book: Book, read: Read) -> Outcome:
    assert read.page is not None
    chat: GroupChat = read.page.data
    row = ours.chats_by_id(book.corp_id, [chat.chat_id]).get(chat.chat_id)
    book.count(_GROUPS, seen=1)
    facts, members = _facts(chat), _members(chat, read)
    known = None if row is None else {name: getattr(row, name) for name in facts}
    present = {
        key: Present(key, one.kind or 0, one.joined_at, one.join_scene or 0, one.state)
        for key, one in ours.members_of(book.corp_id, chat.chat_id).items()
    }
    if known == facts and present == members:
        book.count(_GROUPS, unchanged=1)
        return "done"
    put = groups.put_group_chat(
        brand_id=book.brand_id,
        corp_id=book.corp_id,
        chat_id=chat.chat_id,
        **facts,
        members=list(members.values()),
        at=read.asked_at,
    )
    if put:
        book.note(
            _GROUPS,
            "added" if known is None else "changed",
            chat.chat_id,
            read_at=read.asked_at,
            ours={"members": len(present), "version": known and known["member_version"]},
            theirs={"members": len(members), "version": chat.member_version},
        )
    return "done"


def _refused(book: Book, read: Read) -> Outcome:
    if isinstance(read.error, Rejected) and read.error.reason in _GONE:
        row = ours.chats_by_id(book.corp_id, [read.item.subject]).get(read.item.subject)
        if row is not None and row.dismissed_at is None and row.changed_at < read.began_at - LAG:
            book.note(_GROUPS, "lost", read.item.subject, read_at=read.began_at, ours={"status": row.status})
        return "done"
    return "skipped"


def _facts(chat: GroupChat) -> dict[str, Any]:
    return {
        "name": chat.name,
        "owner": chat.owner or None,
        "notice": chat.notice,
        "created_at": chat.created_at,
        "member_version": chat.member_version or None,
    }


def _members(chat: GroupChat, read: Read) -> dict[str, Present]:
    return {
        one.userid: Present(one.userid, one.type, one.joined_at or read.asked_at, one.join_scene, one.state)
        for one in chat.members
    }


STEP = Step(
    NAME, open=_open, ask=_ask, apply=_apply, refused=_refused, makes_good=lambda subject: ("group_chat", subject)
)
