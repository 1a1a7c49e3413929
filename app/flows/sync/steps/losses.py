"""What WeCom does not know any more, put right at the end of a run.

While lists are read a loss is only noted. If much of what we hold would go at once, the run waits for a person: an app
whose visible range was narrowed, or an answer nobody foresaw, must not empty the member store overnight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import func, select

from app.channels import commands as channels
from app.channels import groups, tags
from app.channels.events import CustomerLost
from app.core.db import session
from app.core.outbox import emit
from app.org import staff

from .. import ours
from ..book import Book
from ..models import SyncDrift
from ..step import Outcome, Read, Step
from .tags import GROUP

NAME = "losses"
CHUNK = 200
# Of each thing: more than this share of what stands, and more than a few, is asked about; so is more than half of it.
SHARE_BP = 500
FEW = 20
HALF_BP, VERY_FEW = 5000, 2


def _open(book: Book) -> Iterable[str]:
    found = (
        select(SyncDrift.kind, func.count().label("number"))
        .where(SyncDrift.run_id == book.run_id, SyncDrift.change == "lost", ~SyncDrift.repaired)
        .group_by(SyncDrift.kind)
    )
    lost: dict[str, int] = {row.kind: row.number for row in session.execute(found)}
    too_many = [kind for kind, number in lost.items() if suspicious(number, ours.standing(book.corp_id, kind))]
    if too_many and not book.run.confirmed:
        book.run.status = "waiting"
    return sorted(lost)


def suspicious(lost: int, standing: int) -> bool:
    """Whether so many losses of so many rows are better confirmed by a person."""
    share = lost * 10_000
    return (lost > FEW and share > standing * SHARE_BP) or (lost > VERY_FEW and share > standing * HALF_BP)


def _apply(book: Book, read: Read) -> Outcome:
    rows = session.scalars(
        select(SyncDrift)
        .where(
            SyncDrift.run_id == book.run_id,
            SyncDrift.kind == read.item.subject,
            SyncDrift.change == "lost",
            ~SyncDrift.repaired,
        )
        .order_by(SyncDrift.drift_id)
        .limit(CHUNK)
    ).all()
    for row in rows:
        _LOSE[row.kind](book, row)
        row.repaired = True
        book.count(row.kind, lost=1)
    session.flush()
    return "due" if len(rows) == CHUNK else "done"


def _department(book: Book, row: SyncDrift) -> None:
    staff.drop_department(brand_id=book.brand_id, corp_id=book.corp_id, department_id=int(row.subject), at=row.read_at)


def _staff(book: Book, row: SyncDrift) -> None:
    staff.drop_staff(brand_id=book.brand_id, corp_id=book.corp_id, userid=row.subject, at=row.read_at)


def _tag(book: Book, row: SyncDrift) -> None:
    whose: dict[str, Any] = {"brand_id": book.brand_id, "corp_id": book.corp_id}
    if row.subject.startswith(GROUP):
        tags.drop_tag_group(**whose, group_id=row.subject.removeprefix(GROUP), at=row.read_at)
    else:
        tags.drop_tag(**whose, tag_id=row.subject, at=row.read_at)


def _follow(book: Book, row: SyncDrift) -> None:
    userid, _, external_userid = row.subject.rpartition("/")
    pair: dict[str, Any] = {"corp_id": book.corp_id, "userid": userid, "external_userid": external_userid}
    follow = channels.mark_lost(**pair, at=row.read_at, deleted=True)
    if follow is not None:
        emit(
            CustomerLost(
                brand_id=book.brand_id,
                person_id=follow.person_id,
                **pair,
                at=int(row.read_at.timestamp()),
                by="guide",
            )
        )


def _group(book: Book, row: SyncDrift) -> None:
    groups.dismiss_group_chat(brand_id=book.brand_id, corp_id=book.corp_id, chat_id=row.subject, at=row.read_at)


_LOSE: dict[str, Callable[[Book, SyncDrift], None]] = {
    "departments": _department,
    "staff": _staff,
    "tags": _tag,
    "follows": _follow,
    "groups": _group,
}

STEP = Step(NAME, open=_open, apply=_apply)
