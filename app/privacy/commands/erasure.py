"""Wishes to be forgotten: asked, confirmed, cancelled, done; and what privacy itself keeps of a member."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto, ids, outbox
from app.core.db import session
from app.identity import commands as identity
from app.identity import queries as identity_queries

from .. import queries
from ..errors import ErasureUnderway, ErasureUnknown
from ..events import Erased, ErasureDue, SweepDue
from ..models import DataExport, ErasedMembership, Erasure, OptOut, Reveal
from ..rules import COOLING_OFF, SWEEP_CONTEXT

_QUIET = {"synchronize_session": False}


def ask_erasure(*, brand_id: int, person_id: int, member_id: int, actor: str, reason: str) -> Erasure:
    """Note that somebody wants to be forgotten by a brand; nothing happens before they confirm. Asked twice: one."""
    living = identity.hold(person_id)
    session.execute(
        insert(Erasure)
        .values(
            brand_id=brand_id,
            person_id=living,
            request_id=ids.new_id(),
            member_id=member_id,
            whole=False,
            actor=actor,
            reason=reason,
            status="asked",
            asked_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
    )
    return queries.open_erasure(brand_id, living)


def confirm_erasure(*, brand_id: int, person_id: int) -> Erasure:
    """Start the days of grace of an asked request; confirming again changes nothing. ErasureUnknown without one."""
    row = _open(brand_id, person_id)
    if row.status == "asked":
        row.status, row.due_at = "confirmed", clock.now() + COOLING_OFF
        session.flush()
    return row


def cancel_erasure(*, brand_id: int, person_id: int) -> Erasure:
    """Take a request back that has not been carried out. ErasureUnknown without one."""
    row = _open(brand_id, person_id)
    if row.due_at is not None and row.due_at <= clock.now():
        raise ErasureUnderway()
    row.status = "cancelled"
    session.flush()
    return row


def announce_due(*, limit: int) -> int:
    """Emit ErasureDue for confirmed requests whose days of grace are over; returns for how many."""
    rows = session.execute(
        select(Erasure.brand_id, Erasure.person_id, Erasure.request_id)
        .where(Erasure.status == "confirmed", Erasure.due_at <= clock.now())
        .order_by(Erasure.due_at)
        .limit(limit)
    ).all()
    for brand_id, person_id, request_id in rows:
        outbox.emit(ErasureDue(brand_id=brand_id, person_id=person_id, request_id=request_id))
    return len(rows)


def close_erasure(
    *,
    brand_id: int,
    person_ids: Sequence[int],
    member_id: int | None,
    whole: bool,
    actor: str,
    reason: str,
    removed: Mapping[str, int],
    sweep: Mapping[str, Sequence[str]],
) -> int:
    """Write that an erasure was carried out, on the open request or as one of its own; returns the request's id.

    `sweep` (ids to look for in old messages, in plain) is kept sealed until that is done. Emits Erased and SweepDue.
    """
    now, living = clock.now(), person_ids[0]
    row = session.scalar(
        select(Erasure)
        .where(
            Erasure.brand_id == brand_id,
            Erasure.person_id.in_(person_ids),
            Erasure.status.in_(("asked", "confirmed")),
        )
        .order_by(Erasure.request_id)
        .limit(1)
        .with_for_update()
    )
    if row is None:
        row = Erasure(brand_id=brand_id, person_id=living, member_id=member_id, actor=actor, reason="", asked_at=now)
        session.add(row)
    row.whole, row.status, row.done_at, row.removed = whole, "done", now, dict(removed)
    row.reason = reason
    row.sealed = crypto.encrypt(json.dumps(sweep), context=SWEEP_CONTEXT)
    session.flush()
    session.execute(  # a shopper's own words about themselves go as well
        update(Erasure)
        .where(Erasure.brand_id == brand_id, Erasure.person_id.in_(person_ids), Erasure.actor.like("mbr_%"))
        .values(reason=""),
        execution_options={"synchronize_session": "fetch"},
    )
    outbox.emit(
        Erased(brand_id=brand_id, member_id=member_id, person_id=living, request_id=row.request_id, whole=whole)
    )
    outbox.emit(SweepDue(brand_id=brand_id, person_id=row.person_id, request_id=row.request_id))
    return row.request_id


def forget_member(*, brand_id: int, member_ids: Sequence[int]) -> None:
    """Delete opt-outs and exports of a member; that somebody looked behind the mask stays, their reason goes."""
    for model in (OptOut, DataExport):
        session.execute(
            delete(model).where(model.brand_id == brand_id, model.member_id.in_(member_ids)), execution_options=_QUIET
        )
    session.execute(
        update(Reveal).where(Reveal.brand_id == brand_id, Reveal.member_id.in_(member_ids)).values(reason=""),
        execution_options=_QUIET,
    )


def bury_membership(*, brand_id: int, person_ids: Sequence[int]) -> None:
    """Leave a tombstone of a membership whose person lives on in other brands: of each id that means them, so that
    whoever is parted from them by a split stays forgotten as well.
    """
    rows = [{"brand_id": brand_id, "person_id": one, "erased_at": clock.now()} for one in sorted(person_ids)]
    session.execute(insert(ErasedMembership).values(rows).on_conflict_do_nothing())


def welcome_back(*, brand_id: int, person_id: int) -> None:
    """Somebody who had left a brand came back by themselves: imports and callbacks may speak of them again."""
    session.execute(
        delete(ErasedMembership).where(
            ErasedMembership.brand_id == brand_id,
            ErasedMembership.person_id.in_(identity_queries.all_ids_of(person_id)),
        ),
        execution_options=_QUIET,
    )


def _open(brand_id: int, person_id: int) -> Erasure:
    row = session.scalar(
        select(Erasure)
        .where(
            Erasure.brand_id == brand_id,
            Erasure.person_id.in_(identity_queries.all_ids_of(person_id)),
            Erasure.status.in_(("asked", "confirmed")),
        )
        .order_by(Erasure.request_id)
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise ErasureUnknown()
    return row
