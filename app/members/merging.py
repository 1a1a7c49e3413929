"""Writes of members: two of one brand become one, and two again.

A merge is a pointer and a record. `member_merge` rows that stand are the edges of a forest; a split revokes the edges
between the two sides, newest first, so that each is taken back from the very member it was folded into, and puts up
again what it had to take down on the way. What hangs on members elsewhere is moved by the callbacks of the flow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, insert, text

from app.core import clock, ids
from app.core.db import session
from app.core.locks import lock_rows
from app.core.outbox import emit
from app.identity.rules import subtree

from . import commands, queries
from .events import Merged, Split
from .models import Member, MemberMerge, Membership
from .rules import same_fact

_LEAVE = text("DELETE FROM membership WHERE person_id = :person_id")
_UNPLACE = text("DELETE FROM membership WHERE brand_id = :brand_id AND person_id = ANY (CAST(:people AS bigint[]))")
_PLACE = insert(cast(Table, Membership.__table__))
FILLED = ("card_no", "name", "phone_tail", "gender", "birthday", "bound_at")


@dataclass(frozen=True)
class Fold:
    """What moves from a member to another, or back, because of one merge."""

    brand_id: int
    winner_id: int
    loser_id: int
    merge_id: int


Move = Callable[[Fold], None]
Later = tuple[MemberMerge, Member]  # a merge and who lost in it


def follow_merge(*, winner_id: int, loser_id: int, person_merge_id: int, fold: Move) -> None:
    """Let a merged person's memberships be the winner's: where both are members of a brand, the winner's member stays
    and `fold` brings it what the other one had. Both persons are held by the caller.
    """
    found = queries.in_all_brands([winner_id, loser_id])
    brands = {brand_id for (brand_id, _), person_id in found.items() if person_id == loser_id}
    if not brands:  # not where a membership was erased either
        return
    ours, theirs = queries.member_ids_by_brand(winner_id), queries.member_ids_by_brand(loser_id)
    rows = _locked([key for key in found if key[0] in brands])
    for row in rows.values():
        if row.person_id == loser_id:
            row.origin_person_id = row.origin_person_id or loser_id
            row.person_id = winner_id
    session.flush()
    session.execute(_LEAVE, {"person_id": loser_id})
    for brand_id, member_id in sorted(theirs.items()):
        if brand_id in ours:
            _merge(rows, brand_id, ours[brand_id], member_id, person_merge_id, fold)
        else:
            session.execute(_PLACE, {"brand_id": brand_id, "person_id": winner_id, "member_id": member_id})


def take_apart(*, winner_id: int, loser_id: int, loser_ids: Collection[int], fold: Move, unfold: Move) -> None:
    """After a split of persons: give each side the members it joined with, and those members what they brought.

    `loser_ids` are all person ids that mean the split-off person now. Both persons are held by the caller.
    """
    rows = _locked(queries.in_all_brands([winner_id]))
    for brand_id in sorted({brand_id for brand_id, _ in rows}):
        mine = {member_id: row for (brand, member_id), row in rows.items() if brand == brand_id}
        leaving = {one for one, row in mine.items() if (row.origin_person_id or row.person_id) in loser_ids}
        if leaving:
            _separate(rows, brand_id, mine, leaving, fold, unfold)
            for member_id in leaving:
                mine[member_id].person_id = loser_id
            session.flush()
            _place(brand_id, {winner_id: _living(mine, mine.keys() - leaving), loser_id: _living(mine, leaving)})


def _separate(
    rows: Mapping[tuple[int, int], Member],
    brand_id: int,
    mine: Mapping[int, Member],
    leaving: Collection[int],
    fold: Move,
    unfold: Move,
) -> None:
    edges = {edge.loser_id: edge for edge in queries.standing_merges(brand_id, list(mine))}
    cut = {one for one, edge in edges.items() if (one in leaving) != (edge.winner_id in leaving)}
    down = set(cut)
    for one in cut:
        above = edges[one].winner_id
        while above in edges:  # what was folded further up comes down first
            down.add(above)
            above = edges[above].winner_id
    for edge in sorted((edges[one] for one in down), key=lambda edge: edge.merge_id, reverse=True):
        stays = edge.loser_id not in cut  # comes down only to be put up again: nobody takes its place
        _unmerge(mine, edge, edges.values(), [] if stays else _since(mine, edge, edges.values()), unfold)
    for edge in sorted((edges[one] for one in down - cut), key=lambda edge: edge.merge_id):
        winner, loser = _root(mine, edge.winner_id), _root(mine, edge.loser_id)
        if winner != loser:
            _merge(rows, brand_id, winner, loser, edge.person_merge_id, fold)
    # Two that had been folded into one of the other side are still one human: they meet again without it.
    for side in (leaving, mine.keys() - leaving):
        first, *others = sorted(_living(mine, side), key=lambda one: (one in cut, mine[one].joined_at, one)) or [0]
        for other in others:
            _merge(rows, brand_id, first, other, edges[other].person_merge_id, fold)


def _merge(
    rows: Mapping[tuple[int, int], Member],
    brand_id: int,
    winner_id: int,
    loser_id: int,
    person_merge_id: int,
    fold: Move,
) -> None:
    winner, loser = rows[brand_id, winner_id], rows[brand_id, loser_id]
    merge_id, moment = ids.new_id(), clock.now()
    kept = _take_over(winner, loser)
    loser.status, loser.merged_into, loser.merged_at = "merged", winner_id, moment
    for (brand, _), row in rows.items():
        if brand == brand_id and row.merged_into == loser_id:
            row.merged_into = winner_id
    session.add(
        MemberMerge(
            brand_id=brand_id,
            merge_id=merge_id,
            winner_id=winner_id,
            loser_id=loser_id,
            person_merge_id=person_merge_id,
            kept=kept,
            merged_at=moment,
        )
    )
    session.flush()
    fold(Fold(brand_id, winner_id, loser_id, merge_id))
    emit(
        Merged(brand_id=brand_id, member_id=winner_id, person_id=winner.person_id, loser_id=loser_id, merge_id=merge_id)
    )


def _since(mine: Mapping[int, Member], edge: MemberMerge, edges: Iterable[MemberMerge]) -> list[Later]:
    """Who was merged into the winner of a merge after it, and still is; oldest merge first."""
    found = [one for one in edges if one.winner_id == edge.winner_id and one.revoked_at is None]
    return [
        (one, mine[one.loser_id]) for one in sorted(found, key=lambda one: one.merge_id) if one.merge_id > edge.merge_id
    ]


def _unmerge(
    mine: Mapping[int, Member],
    edge: MemberMerge,
    edges: Iterable[MemberMerge],
    later: Sequence[Later],
    unfold: Move,
) -> None:
    winner, loser = mine[edge.winner_id], mine[edge.loser_id]
    standing = [(one.loser_id, one.winner_id) for one in edges if one.revoked_at is None]
    for one in subtree(loser.member_id, standing) - {loser.member_id}:
        mine[one].merged_into = loser.member_id
    erased = winner.status == "erased"  # with all that were merged into it
    if not erased:
        _give_back(winner, loser, edge.kept, later)
    loser.status, loser.merged_into, loser.merged_at = "erased" if erased else edge.kept["status"], None, None
    edge.revoked_at = clock.now()
    session.flush()
    unfold(Fold(edge.brand_id, winner.member_id, loser.member_id, edge.merge_id))
    emit(
        Split(
            brand_id=edge.brand_id,
            member_id=winner.member_id,
            person_id=winner.person_id,
            loser_id=loser.member_id,
            merge_id=edge.merge_id,
        )
    )


def _take_over(winner: Member, loser: Member) -> dict[str, Any]:
    """Fill what the winner lacks, and take the guide whose relation is older; what a split must know to undo it."""
    filled = [one for one in FILLED if not getattr(winner, one) and getattr(loser, one)]
    for column in filled:
        setattr(winner, column, getattr(loser, column))
    before: dict[str, Any] = {}
    if loser.status == "frozen" and winner.status == "active":
        before["status"], winner.status = winner.status, "frozen"
    session.flush()
    if winner.home_store_id is None and loser.home_store_id is not None:
        before["home_store_id"] = None
        _move_home(winner, loser.home_store_id, reason="merge")
    owned = queries.owned_since(loser)
    if owned is not None and loser.guide_id != winner.guide_id:
        mine = queries.owned_since(winner)
        if mine is None or owned.from_at < mine.from_at:
            before["guide_id"] = winner.guide_id
            before["guide_store_id"] = mine.store_id if mine is not None else None
            _assign(winner, owned.guide_id, owned.store_id, reason="merge")
    return {"status": loser.status, "filled": filled, "before": before}


def _give_back(winner: Member, loser: Member, kept: Mapping[str, Any], later: Sequence[Later]) -> None:
    """Take out of the winner what the merge had filled in, unless it was changed since.

    `later`: who was merged into the winner afterwards and still is. They found the place taken, so now it is theirs;
    and what they must give back one day is what this merge had found.
    """
    for column in kept["filled"]:
        if same_fact(column, getattr(winner, column), getattr(loser, column)):
            setattr(winner, column, 0 if column == "gender" else None)
            for edge, heir in later:
                if getattr(heir, column):
                    setattr(winner, column, getattr(heir, column))
                    edge.kept = {**edge.kept, "filled": [*edge.kept["filled"], column]}
                    break
    before = kept["before"]
    if "status" in before and winner.status == "frozen":
        frozen = next((edge for edge, _ in later if edge.kept["status"] == "frozen"), None)
        if frozen is None:
            winner.status = before["status"]
        else:
            _remember(frozen, status=before["status"])
    session.flush()
    if "home_store_id" in before and winner.home_store_id == loser.home_store_id:
        at_home = [(edge, heir.home_store_id) for edge, heir in later if heir.home_store_id is not None]
        for edge, _ in at_home[:1]:
            _remember(edge, home_store_id=None)
        _move_home(winner, at_home[0][1] if at_home else None, reason="split")
    if "guide_id" in before:
        _give_back_guide(winner, loser, before, later)
    session.flush()


def _give_back_guide(winner: Member, loser: Member, before: Mapping[str, Any], later: Sequence[Later]) -> None:
    found = {name: before[name] for name in ("guide_id", "guide_store_id")}
    taken = next((edge for edge, _ in later if "guide_id" in edge.kept["before"]), None)
    if taken is not None:  # the guide this merge brought gave way to another one since
        if taken.kept["before"]["guide_id"] == loser.guide_id:
            _remember(taken, **found)
        return
    if winner.guide_id != loser.guide_id:
        return
    guide_id, store_id = found["guide_id"], found["guide_store_id"]
    if guide_id is None:
        owned = [(own.from_at, edge, own) for edge, heir in later if (own := queries.owned_since(heir)) is not None]
        if owned:
            _, edge, own = min(owned, key=lambda one: one[0])
            _remember(edge, **found)
            guide_id, store_id = own.guide_id, own.store_id
    if guide_id is None:
        winner.guide_id = None
    else:
        _assign(winner, guide_id, store_id, reason="split")


def _remember(edge: MemberMerge, **before: Any) -> None:
    """Let a merge that stands give back these when it is taken back."""
    edge.kept = {**edge.kept, "before": {**edge.kept["before"], **before}}


def _assign(row: Member, guide_id: int, store_id: int, *, reason: str) -> None:
    commands.assign_guide(
        brand_id=row.brand_id, member_id=row.member_id, guide_id=guide_id, store_id=store_id, reason=reason
    )


def _move_home(row: Member, store_id: int | None, *, reason: str) -> None:
    row.home_store_id = store_id
    commands.note_home(row.brand_id, row.member_id, store_id, reason=reason, moved_by=reason, at=clock.now())


def _place(brand_id: int, sides: Mapping[int, list[int]]) -> None:
    """Make the living member of each side its person's membership."""
    session.execute(_UNPLACE, {"brand_id": brand_id, "people": list(sides)})
    placed = [
        {"brand_id": brand_id, "person_id": person_id, "member_id": member_id}
        for person_id, living in sides.items()
        for member_id in living
    ]
    if placed:
        session.execute(_PLACE, placed)


def _living(mine: Mapping[int, Member], side: Iterable[int]) -> list[int]:
    return [one for one in side if mine[one].status not in ("merged", "erased")]


def _root(mine: Mapping[int, Member], member_id: int) -> int:
    return mine[member_id].merged_into or member_id


def _locked(keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Member]:
    wanted = list(keys)
    return lock_rows(Member, wanted) if wanted else {}
