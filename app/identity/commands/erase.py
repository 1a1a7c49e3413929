"""Forgetting ids: what was known of a person goes, tombstones stay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import func, literal

from app.core import clock
from app.core.db import session

from .. import queries
from ..models import IdentityRelease, IdentityReview, IdentityRow, Person, PersonMerge, PhoneClaim
from ..rules import Identity
from .parts import hold
from .values import entomb

# (kind, namespace) of ids, for example ("openid", appid).
Scope = Collection[tuple[str, str]]


@dataclass(frozen=True)
class Forgotten:
    """`person_ids`: all that mean the person, the living one first. `ids`: those that are known no more, in plain, for
    whoever must look for them elsewhere; never to be logged.
    """

    person_ids: tuple[int, ...]
    ids: tuple[Identity, ...]


def erase(*, person_id: int, scope: Scope | None = None) -> Forgotten:
    """Delete a person's ids (all, or those of a scope) under tombstones; without a scope nobody is left behind them.

    Merges and reviews keep who they were about and lose what was said as evidence; open reviews and claims end.
    """
    living = hold(person_id)
    person_ids = queries.all_ids_of(living)
    gone = [one for one in queries.identities_of(living) if scope is None or (one.kind, one.namespace) in scope]
    entomb(ids=gone)
    quiet = {"synchronize_session": False}
    for model in (IdentityRow, IdentityRelease):
        mine = model.person_id.in_(person_ids)
        inside = tuple_(model.kind, model.namespace).in_(list(scope)) if scope is not None else literal(True)
        session.execute(delete(model).where(mine, inside), execution_options=quiet)
    # What the ids that stay (another brand's) were linked by may tell of those that went.
    session.execute(
        update(IdentityRow).where(IdentityRow.person_id.in_(person_ids)).values(evidence={}), execution_options=quiet
    )
    if scope is not None:
        return Forgotten(tuple(person_ids), tuple(gone))
    session.execute(
        delete(PhoneClaim).where(or_(PhoneClaim.claimant_id.in_(person_ids), PhoneClaim.holder_id.in_(person_ids))),
        execution_options=quiet,
    )
    folded = func.jsonb_build_object("folded", func.coalesce(PersonMerge.evidence["folded"], literal([], JSONB)))
    session.execute(
        update(PersonMerge)
        .where(or_(PersonMerge.winner_id.in_(person_ids), PersonMerge.loser_id.in_(person_ids)))
        .values(evidence=folded),
        execution_options=quiet,
    )
    about = or_(IdentityReview.person_a.in_(person_ids), IdentityReview.person_b.in_(person_ids))
    session.execute(update(IdentityReview).where(about).values(evidence={}, decision=None), execution_options=quiet)
    session.execute(
        update(IdentityReview)
        .where(about, IdentityReview.status == "open")
        .values(status="kept_apart", decided_by="erasure", decided_at=clock.now()),
        execution_options=quiet,
    )
    session.execute(
        update(Person).where(Person.person_id.in_(person_ids)).values(erased_at=clock.now()), execution_options=quiet
    )
    return Forgotten(tuple(person_ids), tuple(gone))


def take_back(*, person_id: int, kind: str, source: str) -> list[Identity]:
    """Delete a person's ids of a kind that one source told, under tombstones: the word they were given on is withdrawn.

    Returns what is gone, in plain; never to be logged.
    """
    person_ids = queries.all_ids_of(hold(person_id))
    mine = (IdentityRow.person_id.in_(person_ids), IdentityRow.kind == kind, IdentityRow.source == source)
    keys = {(row.kind, row.namespace, row.value) for row in session.scalars(select(IdentityRow).where(*mine))}
    gone = [one for one in queries.identities_of(person_id) if one.key in keys]
    entomb(ids=gone)
    session.execute(delete(IdentityRow).where(*mine), execution_options={"synchronize_session": False})
    return gone
