"""What the writes of identity share: persons locked in order, looked at again when somebody was faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy.dialects.postgresql import insert

from app.core import clock
from app.core import ids as id_maker
from app.core.db import session
from app.core.errors import Busy
from app.core.locks import lock_rows

from .. import queries
from ..errors import PersonErased, PersonUnknown
from ..models import Person

TRIES = 10

T = TypeVar("T")


class Stale(Exception):
    """Somebody changed what this attempt stands on: roll back to the savepoint and look again."""


def settled(attempt: Callable[[], T]) -> T:
    """What an attempt answers, tried again from a savepoint (which gives its locks back) as long as it is Stale."""
    for _ in range(TRIES):
        try:
            with session.begin_nested():
                return attempt()
        except Stale:
            continue
    raise Busy(retry_after=1)


def lock_living(person_ids: Sequence[int]) -> None:
    """Lock persons in ascending order; Stale when one was merged or erased meanwhile, PersonUnknown when one is not."""
    rows = lock_rows(Person, person_ids)
    if len(rows) != len(set(person_ids)):
        raise PersonUnknown()
    if any(row.merged_into is not None or row.erased_at is not None for row in rows.values()):
        raise Stale


def hold(person_id: int) -> int:
    """Lock the living person behind an id until the transaction ends, and return its id: nobody merges it meanwhile.

    Raises PersonErased when nobody is behind it any more.
    """

    return _held([person_id])[0]


def hold_both(person_id: int, other_id: int) -> tuple[int, int]:
    """Like `hold` for two persons, who may be one by now."""
    one, other = _held([person_id, other_id])
    return one, other


def _held(person_ids: Sequence[int]) -> tuple[int, ...]:
    def attempt() -> tuple[int, ...]:
        found = queries.living(person_ids)
        if any(one not in found for one in person_ids):
            raise PersonUnknown()
        if any(erased for _, erased in found.values()):
            raise PersonErased()
        lock_living([root for root, _ in found.values()])
        if queries.living(person_ids) != found:  # a split parted them from an id while the lock was waited for
            raise Stale
        return tuple(found[one][0] for one in person_ids)

    return settled(attempt)


def new_person() -> int:
    """A person nobody knows an id of yet."""
    person_id = id_maker.new_id()
    session.execute(insert(Person).values(person_id=person_id, created_at=clock.now()))
    return person_id
