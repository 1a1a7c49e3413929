"""Relations that WeCom lists, put right in our tables by the same commands callbacks go through.

What is as we hold it already costs one look and no write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from app.channels import commands as channels
from app.channels import queries as channel_queries
from app.channels.events import ContactFetched, CustomerAdded
from app.channels.models import Follow as Held
from app.core import clock
from app.core.outbox import emit
from app.identity import queries as identity
from app.identity.errors import IdentityBlocked, IdentityErased
from app.identity.rules import Identity
from app.org import queries as org
from app.org.models import Guide
from app.wechat.wecom import Contact, Follow

from .. import people
from . import ours
from .book import Book
from .step import LAG

NAME = "follows"
# A customer who came within this time is greeted by SOPs and counted like one whose callback arrived; of an older one,
# as a first import finds them by the hundred thousand, it would be no news.
RECENT = timedelta(days=2)


@dataclass(frozen=True)
class Row:
    """One member following one customer, as WeCom lists it."""

    contact: Contact
    follow: Follow

    @property
    def key(self) -> tuple[str, str]:
        return (self.follow.userid, self.contact.external_userid)


def apply(book: Book, rows: Sequence[Row], *, at: datetime) -> None:
    """Put the rows of one page, whose call began at `at`."""
    rows = sorted({row.key: row for row in rows}.values(), key=lambda row: (row.key[1], row.key[0]))
    userids, externals = {row.key[0] for row in rows}, {row.key[1] for row in rows}
    held = ours.follows(book.corp_id, userids, externals)
    tagged = ours.follow_tags(book.corp_id, userids, externals)
    guides = {userid: _guide(book, userid) for userid in sorted(userids)}
    account = org.account_by_namespace("wecom", book.corp_id)
    ids = {row.key[1]: _ids(book, row.contact, account.open_platform if account else "") for row in rows}
    owners = identity.owners([one.key for known in ids.values() for one in known])
    book.count(NAME, seen=len(rows))
    for row in rows:
        mine, told = held.get(row.key), ids[row.key[1]]
        owned = {owners.get(one.key) for one in told}
        differing = _differences(row, mine, tagged.get(row.key, set()), guides[row.key[0]], at=at)
        if len(owned) > 1 or None in owned:
            differing["identity"] = "joined"
        if not differing:
            book.count(NAME, unchanged=1)
            continue
        _put(book, row, mine, guides[row.key[0]], told, differing, at=at)


def _guide(book: Book, userid: str) -> Guide | None:
    guide = org.guide_by_userid(book.corp_id, userid)
    return guide if guide is not None and guide.brand_id == book.brand_id else None


def _ids(book: Book, contact: Contact, open_platform: str) -> list[Identity]:
    found = [Identity("external_userid", book.corp_id, contact.external_userid)]
    if contact.unionid and open_platform:
        found.append(Identity("unionid", open_platform, contact.unionid))
    return found


def _differences(row: Row, mine: Held | None, tags: set[str], guide: Guide | None, *, at: datetime) -> dict[str, Any]:
    """What WeCom says and we do not hold; personal words are not repeated."""
    follow = row.follow
    if mine is None:
        return {"status": "active", "tags": sorted(follow.tag_ids)}
    found: dict[str, Any] = {}
    if _stands_since(row, mine, at) is not None:
        found["status"] = "active"
    created = follow.created_at
    if created is not None and (mine.told_at is None or mine.told_at < created):
        found["added_at"] = created.isoformat()
    if follow.state and mine.state != follow.state and _newer(created, mine.state_at):
        found["state"] = follow.state
    if guide is not None and mine.guide_id is None:
        found["guide"] = str(guide.id)
    if mine.read_at is None or mine.read_at <= at:
        if set(follow.tag_ids) != tags:
            found["tags"] = sorted(follow.tag_ids)
        if (mine.remark or "") != follow.remark:
            found["remark"] = "…"
        if mine.add_way != follow.add_way:
            found["add_way"] = follow.add_way
    if mine.described_at is None or mine.described_at <= at:
        card = channel_queries.contact_card(mine)
        if card is None or asdict(card) != _card(row.contact):
            found["contact"] = "…"
    return found


def _stands_since(row: Row, mine: Held, at: datetime) -> datetime | None:
    """Since when a relation that we hold for ended stands again; None when it may have ended.

    A customer who deleted the member is still listed, so only a later addition counts. Whom the member deleted is not
    listed any more: where they are, long after the deletion, they are back.
    """
    if mine.status == "active":
        return None
    created = row.follow.created_at
    if created is not None and created > mine.changed_at:
        return created
    return at if mine.status == "deleted" and mine.changed_at < at - LAG else None


def _put(
    book: Book,
    row: Row,
    mine: Held | None,
    guide: Guide | None,
    ids: Sequence[Identity],
    differing: dict[str, Any],
    *,
    at: datetime,
) -> None:
    follow, external = row.follow, row.contact.external_userid
    pair: dict[str, Any] = {"corp_id": book.corp_id, "userid": follow.userid, "external_userid": external}
    before = None if mine is None else {name: _known(mine, name) for name in differing}
    try:
        linked = people.link(brand_id=book.brand_id, ids=ids, source="wecom.sync", passive=True)
    except (IdentityErased, IdentityBlocked):
        book.count(NAME, refused=1)
        return
    since = follow.created_at or at
    if mine is not None:
        since = _stands_since(row, mine, at) or since
    new = channels.record_follow(
        **pair,
        brand_id=book.brand_id,
        guide_id=guide.id if guide else None,
        person_id=linked.person_id,
        at=since,
        state=follow.state,
        add_way=follow.add_way,
        remark=follow.remark,
    )
    if mine is None or "contact" in differing:
        channels.describe_contact(corp_id=book.corp_id, external_userid=external, **_card(row.contact), at=at)
    channels.describe_follow(**pair, at=at, tag_ids=follow.tag_ids, remark=follow.remark, add_way=follow.add_way)
    people.adopt(brand_id=book.brand_id, person_id=linked.person_id)
    if "identity" in differing and mine is not None:
        emit(
            ContactFetched(
                brand_id=book.brand_id, person_id=linked.person_id, corp_id=book.corp_id, external_userid=external
            )
        )
    if new and since > clock.now() - RECENT:
        emit(
            CustomerAdded(
                brand_id=book.brand_id,
                person_id=linked.person_id,
                **pair,
                at=int(since.timestamp()),
                state=follow.state,
                guide_id=guide.id if guide else None,
                store_id=guide.store_id if guide else None,
            )
        )
    book.note(
        NAME,
        "added" if mine is None else "changed",
        f"{follow.userid}/{external}",
        read_at=at,
        ours=before,
        theirs=differing,
    )


def _known(mine: Held, name: str) -> Any:
    """Our side of a difference, as far as a report may show it."""
    if name in ("status", "state", "add_way"):
        return getattr(mine, name)
    return mine.added_at.isoformat() if name == "added_at" else "…"


def _card(contact: Contact) -> dict[str, Any]:
    return {"name": contact.name, "avatar": contact.avatar, "type": contact.type, "gender": contact.gender}


def _newer(moment: datetime | None, than: datetime | None) -> bool:
    return than is None or (moment is not None and moment > than)
