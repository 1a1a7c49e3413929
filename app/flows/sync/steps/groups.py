"""Which customer groups there are; of a corp too large for one list, twenty owners at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from app.channels import groups
from app.wechat.errors import Rejected
from app.wechat.wecom import ListedChat, WeCom

from .. import ours
from ..book import Book
from ..step import LAG, Item, Outcome, Page, Read, Step
from . import chats

NAME = "groups"
OWNERS_A_LIST = 20
_ALL, _OWNERS = "all", "owners"


def _open(book: Book) -> Iterable[str]:
    return [_ALL] if book.kind == "full" else []


def _ask(wecom: WeCom, item: Item) -> Page:
    if item.subject == _OWNERS:
        userids = wecom.follow_users()
        return Page(userids, rows=len(userids) // 20 + 1)
    owners = () if item.subject == _ALL else tuple(item.subject.removeprefix("@").split("|"))
    page = wecom.group_chats(owners=owners, cursor=item.cursor)
    return Page(page.chats, rows=len(page.chats) // 10 + 1, next_cursor=page.next_cursor)


def _apply(book: Book, read: Read) -> Outcome:
    assert read.page is not None
    if read.item.subject == _OWNERS:
        userids: Sequence[str] = read.page.data
        parts = (userids[at : at + OWNERS_A_LIST] for at in range(0, len(userids), OWNERS_A_LIST))
        book.read(NAME, ["@" + "|".join(part) for part in parts])
        return "done"
    listed: Sequence[ListedChat] = read.page.data
    held = ours.chats_by_id(book.corp_id, [one.chat_id for one in listed])
    for one in listed:
        row = held.get(one.chat_id)
        if row is not None and row.status != one.status:
            groups.put_group_status(
                brand_id=book.brand_id,
                corp_id=book.corp_id,
                chat_id=one.chat_id,
                status=one.status,
                at=max(read.asked_at, row.changed_at),
            )
    book.see(NAME, [one.chat_id for one in listed])
    book.read(chats.NAME, [one.chat_id for one in listed])
    return "due" if read.page.next_cursor else "done"


def _refused(book: Book, read: Read) -> Outcome:
    if read.item.subject == _ALL and isinstance(read.error, Rejected) and read.error.reason == "too_many_objects":
        book.read(NAME, [_OWNERS])
        return "done"
    return "skipped"


def _close(book: Book) -> None:
    """Groups on none of the lists are asked for by themselves: only WeCom's own word that there is none is believed."""
    if book.kind == "full" and not book.set_aside(NAME):
        seen = book.seen(NAME)
        young: datetime = book.run.started_at - LAG
        book.read(
            chats.NAME,
            [row.chat_id for row in ours.chats(book.corp_id) if row.chat_id not in seen and row.changed_at < young],
        )
    book.forget(NAME)


STEP = Step(NAME, open=_open, ask=_ask, apply=_apply, refused=_refused, close=_close)
