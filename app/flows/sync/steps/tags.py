"""The corp's library of tags, in one answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.channels import tags
from app.channels.tags import LibraryGroup, LibraryTag
from app.wechat.wecom import TagGroup, WeCom

from .. import ours
from ..book import Book
from ..step import LAG, Item, Outcome, Page, Read, Step

NAME = "tags"
GROUP = "group:"  # before the id of a group, where ids of groups and tags stand together

Facts = dict[str, dict[str, Any]]


def _open(book: Book) -> Iterable[str]:
    return [""]


def _ask(wecom: WeCom, item: Item) -> Page:
    found = wecom.corp_tags()
    return Page(found, rows=sum(len(group.tags) for group in found))


def _apply(book: Book, read: Read) -> Outcome:
    assert read.page is not None
    groups: list[TagGroup] = [group for group in read.page.data if not group.deleted]
    theirs = {GROUP + group.id: {"name": group.name, "sort": group.order} for group in groups}
    theirs |= {
        tag.id: {"name": tag.name, "sort": tag.order, "group_id": group.id}
        for group in groups
        for tag in group.tags
        if not tag.deleted
    }
    held, moments = _held(book.corp_id)
    news = sorted(key for key, facts in theirs.items() if held.get(key) != facts)
    book.count(NAME, seen=len(theirs), unchanged=len(theirs) - len(news))
    for key in news:
        change = "changed" if key in held else "added"
        book.note(NAME, change, key, read_at=read.began_at, ours=held.get(key), theirs=theirs[key])
    if news:
        # What is ours alone is put as it stands: whether it is gone is decided at the end of the run.
        whole = _library(held | theirs)
        tags.put_library(brand_id=book.brand_id, corp_id=book.corp_id, groups=whole, at=read.began_at)
    for key in sorted(held.keys() - theirs.keys()):
        if moments[key] < read.began_at - LAG:
            book.note(NAME, "lost", key, read_at=read.began_at, ours=held[key])
    return "done"


def _held(corp_id: str) -> tuple[Facts, dict[str, Any]]:
    groups, rows = ours.tag_groups(corp_id), ours.tags(corp_id)
    facts: Facts = {GROUP + row.group_id: {"name": row.name, "sort": row.sort} for row in groups}
    facts |= {row.tag_id: {"name": row.name, "sort": row.sort, "group_id": row.group_id} for row in rows}
    moments = {GROUP + row.group_id: row.changed_at for row in groups}
    return facts, moments | {row.tag_id: row.changed_at for row in rows}


def _library(facts: Facts) -> list[LibraryGroup]:
    tagged: dict[str, list[LibraryTag]] = {}
    for key, one in facts.items():
        if "group_id" in one:
            tagged.setdefault(one["group_id"], []).append(LibraryTag(key, one["name"], one["sort"]))
    return [
        LibraryGroup(group_id, one["name"], one["sort"], tuple(tagged.get(group_id, ())))
        for key, one in facts.items()
        if "group_id" not in one and (group_id := key.removeprefix(GROUP))
    ]


STEP = Step(NAME, open=_open, ask=_ask, apply=_apply, makes_good=lambda _: ("tag_library", ""))
