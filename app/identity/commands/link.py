"""Telling that ids belong together.

How `link` stays right when several requests tell overlapping things at once (READ COMMITTED): the persons involved are
locked in ascending order; who finds that one of them was merged meanwhile, or that a free id was taken meanwhile, rolls
back to its savepoint (which gives the locks back) and looks again. So A-B and B-C told at the same time end as one
person, whoever comes first, and nobody waits for a lock out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto
from app.core.db import session

from .. import queries
from ..errors import IdentityBlocked, IdentityErased
from ..models import IdentityRow
from ..rules import SEAL_CONTEXT, STRONG, Clash, Identity, clash
from .parts import Stale, lock_living, new_person, settled
from .reviews import put_up
from .unite import Follow, unite

Key = tuple[str, str, str]
# What else keeps two persons (winner, loser) apart: asked with both locked, answers a reason or None. The third
# argument says that only a weak id, a phone or card, brought them together.
Objection = Callable[[int, int, bool], str | None]


@dataclass(frozen=True)
class Linked:
    """`person_id`: whose the first of the ids is now. `merged`: persons that ended in this call. `conflict`: a review
    was opened (or is open) because some id contradicts, `reason` says which; everything else was linked.
    `refused`: ids that identify nobody and were left out.
    """

    person_id: int
    merged: tuple[int, ...] = ()
    conflict: int | None = None
    reason: str | None = None
    refused: tuple[Identity, ...] = ()


def link(
    *,
    ids: Sequence[Identity],
    source: str,
    evidence: Mapping[str, Any] | None = None,
    brand_id: int | None = None,
    objection: Objection | None = None,
    follow: Follow | None = None,
    passive: bool = False,
) -> Linked:
    """Tell that these ids belong to one human, as `source` says; order them by weight, the anchor first.

    Ids that WeChat vouches for anchor the call; a mobile or card joins them unless some id of the two persons
    contradicts (or `objection` does): then both stay as they are, and a review opens. The older person wins a merge,
    and `follow` moves what hangs on the loser. Telling the same again changes nothing. What WeChat tells of somebody
    who was merged is given to them, so that a split does not leave it with the winner.
    `passive`: a callback, a synchronisation, an import, a history says so, not the human who came by. Then ids of an
    erased person are left out, so that nothing brings them back but themselves; and ids told together with those, that
    belong to nobody who lives, are theirs too.
    Raises IdentityBlocked when no id is left to go by, IdentityErased when only an erased person's are.
    """
    refused = queries.refused(ids)
    if passive and (erased := [one for one in queries.erased(ids) if one not in refused]):
        refused = [*refused, *erased]
        if not queries.owners([one.key for one in ids if one not in refused]):
            raise IdentityErased()
    told = [one for one in dict.fromkeys(ids) if one not in refused]
    if not told:
        raise IdentityBlocked()
    anchors = [one for one in told if one.kind in STRONG] or told[:1]
    seen = [queries.owners([one.key for one in told])]
    if len(seen[0]) == len(told) and len(set(seen[0].values())) == 1:
        return Linked(person_id=seen[0][told[0].key], refused=tuple(refused))

    def attempt() -> Linked:
        owners = seen.pop() if seen else queries.owners([one.key for one in told])
        work = _Attempt(told, anchors, owners, source, dict(evidence or {}), brand_id, objection, follow)
        person_id = work.run()
        return Linked(person_id, tuple(work.merged), work.conflict, work.reason, tuple(refused))

    return settled(attempt)


@dataclass
class _Attempt:
    told: Sequence[Identity]
    anchors: Sequence[Identity]
    owners: dict[Key, int]
    source: str
    evidence: dict[str, Any]
    brand_id: int | None
    objection: Objection | None
    follow: Follow | None
    merged: list[int] = field(default_factory=list)
    conflict: int | None = None
    reason: str | None = None

    def run(self) -> int:
        """Link everything that does not contradict; the person the anchor belongs to."""
        roots = sorted(set(self.owners.values()))
        lock_living(roots)
        self.keys = queries.keys_of(roots)
        if any(key not in self.keys[root] for key, root in self.owners.items()):
            raise Stale  # an id went to another person while the locks were waited for: a split, a phone exchanged
        self.joining: list[Identity] = []  # free ids that will be written to the anchor's person
        self.apart: list[tuple[Identity, Clash]] = []  # free ids that contradict the anchor's person
        self.root: int | None = None
        for one in self.anchors:
            self._take(one, by_phone=False)
        for one in self.told:
            if one not in self.anchors:
                self._take(one, by_phone=True)
        person_id = self.root if self.root is not None else new_person()
        home = self._home(person_id)
        self._write([(one, home if one.kind in STRONG else person_id) for one in self.joining])
        for one, why in self.apart:
            other = new_person()
            self._write([(one, other)])
            self._review(person_id, other, why, one)
        return person_id

    def _home(self, person_id: int) -> int:
        """Who was given the id that WeChat tells the new ones with: a split that parts them takes those along."""
        for one in self.anchors:
            owner = self.owners.get(one.key)
            if owner is not None and one.kind in STRONG and self._living(owner) == person_id:
                return queries.given_to(one) or person_id
        return person_id

    def _take(self, one: Identity, *, by_phone: bool) -> None:
        owner = self.owners.get(one.key)
        owner = self._living(owner) if owner is not None else None
        mine = self._mine()
        if owner is None:
            if why := clash(mine, {one.key}, by_phone=by_phone):
                self.apart.append((one, why))
            else:
                self.joining.append(one)
        elif self.root is None:
            # Only free ids so far: they join the first person found, unless one of them contradicts.
            if why := clash(mine, self.keys[owner], by_phone=by_phone):
                self.root = new_person()
                self.keys[self.root] = set()
                self._review(self.root, owner, why, one)
            else:
                self.root = owner
        elif owner != self.root:
            why = clash(mine, self.keys[owner], by_phone=by_phone)
            self._merge(self.root, owner, one, why, weak=by_phone)

    def _mine(self) -> set[Key]:
        stored = self.keys[self.root] if self.root is not None else set()
        return stored | {one.key for one in self.joining}

    def _living(self, person_id: int) -> int:
        return self.root if self.root is not None and person_id in self.merged else person_id

    def _merge(self, one: int, other: int, by: Identity, why: Clash | None, *, weak: bool) -> None:
        winner, loser = sorted((one, other))
        if why is None and self.objection is not None and (reason := self.objection(winner, loser, weak)):
            why = Clash(reason)
        if why is None and queries.kept_apart(winner, loser):
            why = Clash("kept_apart")
        if why is not None:
            self._review(one, other, why, by)
            return
        unite(
            winner_id=winner,
            loser_id=loser,
            reason=f"{self.source}: {by.kind}",
            evidence=self.evidence | {"by": [by.kind, by.namespace]},
            brand_id=self.brand_id,
            follow=self.follow,
        )
        self.keys[winner] = self.keys[winner] | self.keys.pop(loser)
        self.root = winner
        self.merged.append(loser)

    def _review(self, one: int, other: int, why: Clash, by: Identity) -> None:
        review_id, reason = put_up(
            one,
            other,
            reason=why.reason,
            evidence=self.evidence | {"source": self.source, "namespace": why.namespace, "by": [by.kind, by.namespace]},
            brand_id=self.brand_id,
        )
        if self.conflict is None:
            self.conflict, self.reason = review_id, reason

    def _write(self, rows: Sequence[tuple[Identity, int]]) -> None:
        if not rows:
            return
        moment, correlation = clock.now(), context.correlation_id()
        values = [
            {
                **dict(zip(("kind", "namespace", "value"), one.key, strict=True)),
                "sealed_value": crypto.encrypt(one.value, context=SEAL_CONTEXT) if one.kind == "mobile" else None,
                "person_id": person_id,
                "source": self.source,
                "evidence": self.evidence,
                "correlation_id": correlation,
                "linked_at": moment,
            }
            for one, person_id in sorted(rows, key=lambda row: row[0].key)  # one order, so that nobody waits in a ring
        ]
        statement = insert(IdentityRow).values(values).on_conflict_do_nothing().returning(IdentityRow.value)
        if len(session.scalars(statement).all()) != len(values):
            raise Stale
