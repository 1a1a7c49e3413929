"""The members of staff, department by department; of one too large for an answer, one by one.

Whom no department shows is asked for by themselves: the application may see them and none of their departments.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app.core import clock
from app.org import staff
from app.wechat.errors import Rejected
from app.wechat.wecom import Staff, WeCom

from .. import ours
from ..book import Book
from ..step import LAG, PATIENCE, Item, Outcome, Page, Read, Step

NAME = "staff"
_ONE, _IDS = "user:", "ids"
_GONE = {"user_unknown"}


def _open(book: Book) -> Iterable[str]:
    if book.kind == "full":
        return [str(row.department_id) for row in ours.departments(book.corp_id)]
    return [_ONE + userid for userid in ours.unfetched(book.corp_id, "staff", before=clock.now() - PATIENCE)]


def _ask(wecom: WeCom, item: Item) -> Page:
    if item.subject.startswith(_ONE):
        return Page((wecom.user(item.subject.removeprefix(_ONE)),))
    if item.subject == _IDS:
        page = wecom.user_ids(cursor=item.cursor)
        return Page({userid for userid, _ in page.rows}, rows=len(page.rows) // 10 + 1, next_cursor=page.next_cursor)
    found = wecom.users(int(item.subject))
    return Page(found, rows=len(found))


def _apply(book: Book, read: Read) -> Outcome:
    assert read.page is not None
    if read.item.subject == _IDS:
        book.see(NAME, read.page.data)
        known = book.seen(NAME + ":read")
        book.read(NAME, [_ONE + userid for userid in read.page.data if userid not in known])
        return "due" if read.page.next_cursor else "done"
    listed: dict[str, Staff] = {one.userid: one for one in read.page.data}
    held = ours.staff(book.corp_id, list(listed))
    earlier = book.seen(NAME + ":read")
    if not read.item.subject.startswith(_ONE):
        book.see(NAME, listed)
    book.see(NAME + ":read", listed)
    for userid, one in sorted(listed.items()):
        if userid in earlier:  # in two departments
            continue
        book.count(NAME, seen=1)
        row, theirs = held.get(userid), _facts(one)
        known_facts = None if row is None else {name: getattr(row, name) for name in theirs}
        if known_facts == theirs:
            book.count(NAME, unchanged=1)
        elif staff.put_staff(brand_id=book.brand_id, corp_id=book.corp_id, userid=userid, **theirs, at=read.began_at):
            change = "changed" if known_facts else "added"
            book.note(
                NAME, change, userid, read_at=read.began_at, ours=_told(known_facts or {}, theirs), theirs=_told(theirs)
            )
    return "done"


def _refused(book: Book, read: Read) -> Outcome:
    error = read.error
    if isinstance(error, Rejected) and error.reason == "response_too_large" and not read.item.subject.startswith(_ONE):
        book.read(NAME, [_IDS])
        return "done"
    if isinstance(error, Rejected) and error.reason in _GONE and read.item.subject.startswith(_ONE):
        userid = read.item.subject.removeprefix(_ONE)
        known = ours.staff(book.corp_id, [userid]).get(userid)
        if known is not None and known.status != staff.LEFT:
            book.note(NAME, "lost", userid, read_at=read.began_at, ours={"status": known.status})
        return "done"
    return "skipped"


def _close(book: Book) -> None:
    """Who was in no department is asked for, if every department could be read; only WeCom's own word that there is
    nobody of that userid is believed. The step is closed again after that, when nothing is left that a list has shown.
    """
    seen = book.seen(NAME)
    if seen and book.kind == "full" and not book.set_aside(NAME):
        young: datetime = book.run.started_at - LAG
        missing = [row for row in ours.staff_present(book.corp_id) if row.userid not in seen and row.changed_at < young]
        book.read(NAME, [_ONE + row.userid for row in missing])
    book.forget(NAME)
    book.forget(NAME + ":read")


def _facts(one: Staff) -> dict[str, Any]:
    return {
        "name": one.name,
        "status": one.status if one.status in (1, 2, 4, staff.LEFT) else 1,
        "departments": sorted(one.departments),
        "main_department": one.main_department,
        "leader_of": sorted(one.leader_of),
    }


def _told(facts: dict[str, Any], other: dict[str, Any] | None = None) -> dict[str, Any]:
    """The facts without the name; with `other`, only those that differ from it."""
    differing = {name: value for name, value in facts.items() if other is None or other[name] != value}
    return differing | ({"name": "…"} if "name" in differing else {})


def _makes_good(subject: str) -> tuple[str, str] | None:
    return ("staff", subject.removeprefix(_ONE)) if subject.startswith(_ONE) else None


STEP = Step(NAME, open=_open, ask=_ask, apply=_apply, refused=_refused, close=_close, makes_good=_makes_good)
