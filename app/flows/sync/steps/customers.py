"""The customers of every guide, with remark and tags, a hundred a page.

A customer is believed to be gone only when the whole list of the guide does not show them, and neither does the other
call, which lists ids only. Where the first call fails, the ids are read with the second, and each customer by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.wechat.errors import Rejected
from app.wechat.wecom import WeCom

from .. import ours
from ..book import Book
from ..people import Row, apply
from ..step import LAG, Item, Outcome, Page, Read, Step
from . import contacts

NAME = contacts.CUSTOMERS
FOLLOWS = "follows"  # what differences and counts are about: relations of members and customers
_GUIDES = "guides"
# Nothing is known of the customers of such a member, so nothing is lost.
_UNREADABLE = {"user_unknown", "out_of_scope", "member_without_contact_right", "user_unlicensed"}


def _open(book: Book) -> Iterable[str]:
    return [_GUIDES]


def _ask(wecom: WeCom, item: Item) -> Page:
    if item.subject == _GUIDES:
        userids = wecom.follow_users()
        return Page(userids, rows=len(userids) // 20 + 1)
    userid = item.subject.removeprefix("@")
    if item.verify:
        found = wecom.contacts_of(userid)
        return Page(found, rows=len(found) // 10 + 1)
    page = wecom.contacts_by_users([userid], cursor=item.cursor)
    return Page(page.contacts, rows=len(page.contacts), next_cursor=page.next_cursor)


def _apply(book: Book, read: Read) -> Outcome:
    assert read.page is not None
    if read.item.subject == _GUIDES:
        wanted = None if book.kind == "full" else ours.guides_active(book.corp_id, since=book.since)
        # With a mark, so that no userid is taken for the list of guides.
        book.read(NAME, ["@" + userid for userid in ours.among(read.page.data, wanted)])
        return "done"
    userid = read.item.subject.removeprefix("@")
    if read.item.verify:
        return _verified(book, read, userid, set(read.page.data))
    rows = [Row(contact, follow) for contact in read.page.data for follow in contact.follows if follow.userid == userid]
    apply(book, rows, at=read.asked_at)
    shown = {row.contact.external_userid for row in rows}
    if read.page.next_cursor:
        book.see(read.item.subject, shown)
        return "due"
    shown |= book.seen(read.item.subject)
    missing = set(ours.customers_of(book.corp_id, userid, before=read.began_at - LAG)) - shown
    if missing:
        book.see(read.item.subject, shown)
        return "verify"
    book.forget(read.item.subject)
    return "done"


def _verified(book: Book, read: Read, userid: str, listed: set[str]) -> Outcome:
    """The second list is here: who is on neither is gone; who is only on it is read by themselves."""
    shown = book.seen(read.item.subject)
    for external in sorted(set(ours.customers_of(book.corp_id, userid, before=read.began_at - LAG)) - shown - listed):
        book.note(FOLLOWS, "lost", f"{userid}/{external}", read_at=read.began_at)
    book.read(contacts.NAME, listed - shown)
    book.forget(read.item.subject)
    return "done"


def _refused(book: Book, read: Read) -> Outcome:
    if read.item.subject == _GUIDES or (isinstance(read.error, Rejected) and read.error.reason in _UNREADABLE):
        return "skipped"
    if read.item.verify:
        return "skipped"
    book.forget(read.item.subject)
    return "verify"  # the other call names the customers, and each is read by itself


STEP = Step(NAME, open=_open, ask=_ask, apply=_apply, refused=_refused)
