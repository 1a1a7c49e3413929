"""Two persons become one: a pointer and a record, never a delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import or_, update

from app.core import ids as id_maker
from app.core.db import session
from app.core.outbox import emit

from .. import queries
from ..errors import IdentityConflict
from ..events import Merged
from ..models import Person, PersonMerge
from ..rules import proof_clash
from .parts import hold_both
from .reviews import settle_reviews

# What else moves when a loser becomes the winner (winner, loser, merge id): called right after, in one transaction.
Follow = Callable[[int, int, int], None]


def unite(
    *,
    winner_id: int,
    loser_id: int,
    reason: str,
    evidence: Mapping[str, Any],
    brand_id: int | None,
    follow: Follow | None,
    by: str = "system",
    words: str = "",
) -> int:
    """Merge a living person into an older one, both locked; the merge's id. Reviews about the two are settled by it."""
    meant = queries.living_by_id([winner_id, loser_id])
    theirs = [one for one, living in meant.items() if living == loser_id]
    settle_reviews([one for one in meant if one not in theirs], theirs, by=by, reason=words or reason)
    session.execute(
        update(Person)
        .where(or_(Person.person_id == loser_id, Person.merged_into == loser_id))
        .values(merged_into=winner_id),
        execution_options={"synchronize_session": False},
    )
    merge_id = id_maker.new_id()
    session.add(
        PersonMerge(
            merge_id=merge_id,
            winner_id=winner_id,
            loser_id=loser_id,
            reason=reason,
            evidence={**evidence, "folded": sorted(one for one in theirs if one != loser_id)},
        )
    )
    session.flush()
    if follow is not None:
        follow(winner_id, loser_id, merge_id)
    emit(Merged(brand_id=brand_id or 0, person_id=winner_id, winner_id=winner_id, loser_id=loser_id, merge_id=merge_id))
    return merge_id


def merge(
    *,
    person_id: int,
    other_id: int,
    source: str,
    evidence: Mapping[str, Any] | None = None,
    brand_id: int | None = None,
    follow: Follow | None = None,
    by: str = "system",
    words: str = "",
) -> int:
    """Make two persons one because a human decided it or a proof was given, whatever else weighs against it; the
    person they are now. `by`: an actor of the audit log, `words` their reason. The same again changes nothing. Raises
    IdentityConflict when WeChat itself says that they are two (differing unionids): nobody can decide that away.
    """
    winner, loser = sorted(hold_both(person_id, other_id))
    if winner == loser:
        return winner
    keys = queries.keys_of([winner, loser])
    if why := proof_clash(keys[winner], keys[loser]):
        raise IdentityConflict(reason=why.reason)
    unite(
        winner_id=winner,
        loser_id=loser,
        reason=source,
        evidence=evidence or {},
        brand_id=brand_id,
        follow=follow,
        by=by,
        words=words,
    )
    return winner
