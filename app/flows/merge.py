"""Two persons become one in everything: their members of one brand, and all that hangs on these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.identity import commands as identity
from app.members import commands as member_commands
from app.members import family, merging
from app.members import queries as members
from app.members.events import Merged

from .folds import FOLDS


def merge(
    *,
    brand_id: int | None,
    person_id: int,
    other_id: int,
    source: str,
    by: str,
    words: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> int:
    """Make two persons one because somebody may say so: a decided review, a proof. The living person; the older wins.
    `by`: an actor of the audit log, `words` their reason. Raises IdentityConflict when differing unionids prove that
    they are two.
    """
    return identity.merge(
        person_id=person_id,
        other_id=other_id,
        source=source,
        evidence=evidence,
        brand_id=brand_id,
        follow=follow,
        by=by,
        words=words,
    )


def follow(winner_id: int, loser_id: int, merge_id: int) -> None:
    """What a merge of persons moves along; called in its transaction, with both persons held."""
    merging.follow_merge(winner_id=winner_id, loser_id=loser_id, person_merge_id=merge_id, fold=fold)


def fold(one: merging.Fold) -> None:
    """Bring the winner what the loser has, in every domain."""
    for domain in FOLDS:
        domain.fold(brand_id=one.brand_id, winner_id=one.winner_id, loser_id=one.loser_id, merge_id=one.merge_id)


def unfold(one: merging.Fold) -> None:
    """Give the loser back what it brought, in every domain."""
    home = family.homecoming(one.brand_id, one.winner_id, one.loser_id)
    for domain in FOLDS:
        domain.unfold(
            brand_id=one.brand_id, winner_id=one.winner_id, loser_id=one.loser_id, merge_id=one.merge_id, home=home
        )


def fold_late(event: Merged) -> None:
    """Bring along what was being written to the loser while it was merged: the write saw it living, and came too late
    for the first time. Nothing to do once the merge was taken back.
    """
    path = members.path_up(event.brand_id, event.loser_id)
    if not path or path[0].merge_id != event.merge_id:
        return
    for member_id in sorted({path[0].loser_id, *(edge.winner_id for edge in path)}):
        member_commands.hold(brand_id=event.brand_id, member_id=member_id)
    path = members.path_up(event.brand_id, event.loser_id)  # as it is now that nobody changes it
    for edge in path:
        fold(merging.Fold(event.brand_id, edge.winner_id, edge.loser_id, edge.merge_id))
