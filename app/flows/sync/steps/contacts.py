"""Customers read by themselves: those a list could not show, and those a callback asked about in vain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.core import clock
from app.wechat.errors import Rejected
from app.wechat.wecom import Contact, WeCom

from .. import ours
from ..book import Book
from ..people import Row, apply
from ..step import LAG, PATIENCE, Item, Outcome, Page, Read, Step

NAME = "contacts"
CUSTOMERS = "customers"
_GONE = {"relation_gone", "contact_unknown"}


def _open(book: Book) -> Iterable[str]:
    return ours.unfetched(book.corp_id, "contact", before=clock.now() - PATIENCE)


def _ask(wecom: WeCom, item: Item) -> Page:
    contact = wecom.contact(item.subject)
    follows, cursor = list(contact.follows), contact.next_cursor
    while cursor:
        page = wecom.contact(item.subject, cursor=cursor)
        follows += page.follows
        cursor = page.next_cursor
    return Page(replace(contact, follows=tuple(follows)), rows=10)


def _apply(book: Book, read: Read) -> Outcome:
    assert read.page is not None
    contact: Contact = read.page.data
    apply(book, [Row(contact, follow) for follow in contact.follows], at=read.asked_at)
    _missing(book, read, {follow.userid for follow in contact.follows})
    return "done"


def _refused(book: Book, read: Read) -> Outcome:
    if isinstance(read.error, Rejected) and read.error.reason in _GONE:
        _missing(book, read, set())
        return "done"
    return "skipped"


def _missing(book: Book, read: Read, named: set[str]) -> None:
    """Members whom the customer's details should name have their list read: they may only be out of the app's sight."""
    missing = set(ours.guides_of(book.corp_id, read.item.subject, before=read.began_at - LAG)) - named
    book.read(CUSTOMERS, ["@" + userid for userid in missing])


STEP = Step(NAME, open=_open, ask=_ask, apply=_apply, refused=_refused, makes_good=lambda subject: ("contact", subject))
