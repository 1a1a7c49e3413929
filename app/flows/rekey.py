"""A new key: every ciphertext is encrypted again with it, in the background, chunk by chunk.

Put the new key first in ENCRYPTION_KEYS and leave the old one behind it; restart everything; the schedule does the
rest, and `flask doctor keys` says when the old key opens nothing any more and may be dropped. Chunks walk each column
by its primary key and write by compare-and-set, so what is changed meanwhile stays what it was changed to, and a worker
killed anywhere loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto
from app.core.db import session
from app.core.slots import Slot
from app.privacy.models import Rekeying

from .sealed import COLUMNS, SealedColumn

CHUNK = 2000


@dataclass(frozen=True)
class KeyUse:
    """How many values of a column a key still opens; `known`: whether this process has that key."""

    column: str
    key_id: str
    values: int
    known: bool


@dataclass(frozen=True)
class Progress:
    """How far a column is on its way to the present key."""

    column: str
    seen: int
    changed: int
    finished: bool


def go_on(slot: Slot) -> None:
    """Slot privacy.rekey: one chunk of the first column that is not finished; another slot follows at once."""
    if step():
        session.add(Slot(task=slot.task, at=clock.now(), queue=slot.queue, correlation_id=context.correlation_id()))


def step(*, chunk: int = CHUNK) -> bool:
    """Encrypt one chunk of one column again; False when every column has been walked to its end."""
    for one in COLUMNS:
        row = _progress(one)
        if row.finished_at is None:
            _advance(one, row, chunk)
            return True
    return False


def begin_again() -> None:
    """Walk every column once more: processes that still had the old key first may have written behind the walk."""
    for one in COLUMNS:
        row = _progress(one)
        row.cursor, row.finished_at = None, None
    session.flush()


def progress() -> list[Progress]:
    """Every column's way to the present key."""
    rows = {row.column: row for row in session.scalars(select(Rekeying).where(Rekeying.key_id == crypto.current_key()))}
    return [
        Progress(one.name, row.seen, row.changed, row.finished_at is not None)
        if row
        else Progress(one.name, 0, 0, False)
        for one in COLUMNS
        for row in [rows.get(one.name)]
    ]


def uses() -> Iterator[KeyUse]:
    """Which keys open which columns: reads them all. A key that opens nothing is not named and may be dropped."""
    known = crypto.known_keys()
    for one in COLUMNS:
        column = one.model.__table__.columns[one.column]
        key_id = func.split_part(column, ":", 1)
        rows = session.execute(
            select(key_id, func.count()).where(column.is_not(None)).group_by(key_id).order_by(key_id)
        )
        for name, count in rows:
            yield KeyUse(one.name, name, count, name in known)


def _progress(one: SealedColumn) -> Rekeying:
    key = {"column": one.name, "key_id": crypto.current_key()}
    session.execute(insert(Rekeying).values(**key, seen=0, changed=0, started_at=clock.now()).on_conflict_do_nothing())
    return session.get_one(Rekeying, (one.name, crypto.current_key()), with_for_update=True, populate_existing=True)


def _advance(one: SealedColumn, progress: Rekeying, chunk: int) -> None:
    table, current = one.model.__table__, crypto.current_key()
    column = table.columns[one.column]
    walk = select(*one.key, column).where(column.is_not(None)).order_by(*one.key).limit(chunk)
    if progress.cursor is not None:
        place = zip(progress.cursor, one.key, strict=True)
        after = [bindparam(None, value, type_=part.type) for value, part in place]
        walk = walk.where(tuple_(*one.key) > tuple_(*after))
    rows = session.execute(walk).all()
    stale = [row for row in rows if not row[-1].startswith(f"{current}:")]
    if stale:
        keyed = [part == bindparam(f"k{index}") for index, part in enumerate(one.key)]
        session.execute(
            update(table).where(*keyed, column == bindparam("was")).values({one.column: bindparam("becomes")}),
            [
                {
                    **{f"k{index}": value for index, value in enumerate(row[:-1])},
                    "was": row[-1],
                    "becomes": crypto.encrypt(crypto.decrypt(row[-1], context=one.context), context=one.context),
                }
                for row in stale
            ],
        )
    progress.seen += len(rows)
    progress.changed += len(stale)
    if len(rows) < chunk:
        progress.cursor, progress.finished_at = None, clock.now()
    else:
        progress.cursor = list(rows[-1][:-1])  # keys are numbers and texts
    session.flush()
