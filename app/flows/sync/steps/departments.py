"""The corp's departments, in one answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.org import staff
from app.wechat.wecom import Department, WeCom

from .. import ours
from ..book import Book
from ..step import LAG, Item, Outcome, Page, Read, Step

NAME = "departments"


def _open(book: Book) -> Iterable[str]:
    return [""]


def _ask(wecom: WeCom, item: Item) -> Page:
    found = wecom.departments()
    return Page(found, rows=len(found))


def _apply(book: Book, read: Read) -> Outcome:
    assert read.page is not None
    listed: dict[int, Department] = {one.id: one for one in read.page.data}
    held = {row.department_id: row for row in ours.departments(book.corp_id)}
    book.count(NAME, seen=len(listed))
    for number, one in sorted(listed.items()):
        row, theirs = held.get(number), _facts(one)
        known = None if row is None else {name: getattr(row, name) for name in theirs}
        if known == theirs:
            book.count(NAME, unchanged=1)
        elif staff.put_department(
            brand_id=book.brand_id, corp_id=book.corp_id, department_id=number, **theirs, at=read.began_at
        ):
            change = "changed" if known else "added"
            book.note(NAME, change, str(number), read_at=read.began_at, ours=known, theirs=theirs)
    for number, row in held.items():
        if number not in listed and row.changed_at < read.began_at - LAG:
            facts = {"name": row.name, "parent_id": row.parent_id}
            book.note(NAME, "lost", str(number), read_at=read.began_at, ours=facts)
    return "done"


def _facts(one: Department) -> dict[str, Any]:
    return {"parent_id": one.parent_id or None, "name": one.name, "sort": one.order}


STEP = Step(NAME, open=_open, ask=_ask, apply=_apply, makes_good=lambda _: ("departments", ""))
