"""Taking a merge back: the pointers follow from the merges that still stand."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update

from app.core import clock
from app.core.db import session
from app.core.locks import lock_rows
from app.core.outbox import emit

from .. import queries
from ..errors import MergeUnknown, PersonErased, PersonUnknown
from ..events import Split as SplitEvent
from ..models import Person, PersonMerge
from ..rules import subtree
from .parts import Stale, settled
from .reviews import remember_apart


@dataclass(frozen=True)
class Split:
    """`winner_id`: the living person that stays; `loser_id`: the one that lives again, and `loser_ids` all ids that
    mean it now. `done` is False when the merge had been taken back before.
    """

    merge_id: int
    winner_id: int
    loser_id: int
    loser_ids: tuple[int, ...]
    done: bool = True


def split(*, merge_id: int, by: str, reason: str) -> Split:
    """Take a merge of persons back, the last one or one below others, and keep the two apart from now on.

    The loser lives again with everybody who had been merged into it; ids told since the merge stay with the winner, but
    for what WeChat told together with an id of the loser's. Both persons are locked until the transaction ends. Taking
    back the same merge again changes nothing. `by`: an actor of the audit log. Raises MergeUnknown, PersonErased
    (nobody is left to be given anything back).
    """
    record = queries.merge_record(merge_id)
    if record is None:
        raise MergeUnknown()
    loser = record.loser_id

    def attempt() -> Split:
        root = queries.resolve(record.winner_id)
        people: dict[int, Person] = lock_rows(Person, [root, loser])
        if len(people) != 2:
            raise PersonUnknown()
        row: PersonMerge = lock_rows(PersonMerge, [merge_id])[merge_id]
        if row.revoked_at is not None:
            return Split(merge_id, queries.resolve(record.winner_id), loser, tuple(queries.all_ids_of(loser)), False)
        if people[root].erased_at is not None:
            raise PersonErased()
        if people[root].merged_into is not None or people[loser].merged_into != root:
            raise Stale
        below = subtree(loser, queries.standing_edges(queries.all_ids_of(root)))
        row.revoked_at, row.revoked_by = clock.now(), by
        session.flush()
        _point(below - {loser}, loser)
        _point({loser}, None)
        remember_apart(record.winner_id, loser, why="split", evidence={"merge": merge_id}, by=by, reason=reason)
        emit(SplitEvent(brand_id=0, person_id=root, winner_id=root, loser_id=loser, merge_id=merge_id))
        return Split(merge_id, root, loser, (loser, *sorted(below - {loser})))

    return settled(attempt)


def _point(person_ids: set[int], to: int | None) -> None:
    if person_ids:
        session.execute(
            update(Person).where(Person.person_id.in_(sorted(person_ids))).values(merged_into=to),
            execution_options={"synchronize_session": False},
        )
