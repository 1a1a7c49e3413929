"""The whole journey of one real customer: every row that one person caused, in time order, whatever table holds it.

Rows are found by what every table already says about itself: whom it is about (brand_id and member_id, or person_id)
and which callback or request caused it (correlation_id). A table added tomorrow is part of the trace tomorrow.
Personal data stays out: names, phones and messages are never read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, false, or_, select, tuple_

from app.core import ids
from app.core.audit import AuditLog
from app.core.db import db, session
from app.core.errors import NotFound
from app.core.inbox import Inbox
from app.core.outbox import Delivery, Outbox
from app.core.slots import Slot
from app.identity import queries as identity
from app.members import queries as members
from app.org import queries as org

from .trace_lines import Step, lines_of

LIMIT = 1000
_PERSON_COLUMNS = (
    "person_id",
    "winner_id",
    "loser_id",
    "person_a",
    "person_b",
    "claimant_id",
    "holder_id",
)
_MEMBERS_AS_PERSONS = {"member_merge"}  # its winners and losers are members
_PLUMBING = {"inbox", "outbox", "delivery", "slot", "audit_log", "person", "membership", "revoked_token"}
_Key = tuple[int, int]
_Rows = tuple[str, Sequence[Any]]


@dataclass
class Journey:
    """`person_ids`: the person and those merged into it; `members`: (brand_id, member_id); `steps` in time order.

    `shared`: correlation ids of work done for many customers at once (a nightly run); only this one's rows of it are
    in the steps. `cut`: older steps were left out.
    """

    brand_id: int | None = None
    person_ids: list[int] = field(default_factory=list)
    members: list[_Key] = field(default_factory=list)
    correlations: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    cut: bool = False


def trace(start: str, *, brand_id: int | None = None, limit: int = LIMIT) -> Journey:
    """The journey behind a correlation id, a member (public id or number) or a person (public id); NotFound if none.

    With `brand_id`, only what happened in that brand: a brand's own staff see no other brand of the group.
    """
    journey = Journey(brand_id=brand_id)
    if _names_somebody(start):
        _about(journey, _person_of(start, brand_id))
    else:
        _from_correlation(journey, start)
    rows = _subject_rows(journey)
    rows += _caused_rows(journey, start, rows)
    rows = _of_brand(rows, brand_id)
    if not rows:
        raise NotFound()
    steps = sorted(
        (step for table, found in rows for row in found for step in lines_of(table, row)), key=lambda step: step.order
    )
    journey.cut = len(steps) > limit
    journey.steps = steps[-limit:]
    return journey


def _of_brand(rows: list[_Rows], brand_id: int | None) -> list[_Rows]:
    """The rows of one brand. A row that names no brand belongs to the brand of its callback or request."""
    if brand_id is None:
        return rows
    mine = {row["correlation_id"] for _, found in rows for row in found if row.get("brand_id") == brand_id}
    kept: list[_Rows] = []
    for table, found in rows:
        ours = [row for row in found if (row.get("brand_id") or brand_id) == brand_id and row["correlation_id"] in mine]
        kept += [(table, ours)] if ours else []
    return kept


def _names_somebody(start: str) -> bool:
    return start.startswith(("mbr_", "prs_")) or start.isdigit()


def _person_of(start: str, brand_id: int | None) -> int:
    if start.startswith("prs_"):
        return ids.decode("prs", start)
    for one in [brand_id] if brand_id else [brand.id for brand in org.brands()]:
        if start.startswith("mbr_"):
            member = members.member(one, ids.decode("mbr", start))
        else:
            member = members.by_number(one, start)
        if member is not None:
            return member.person_id
    raise NotFound()


def _about(journey: Journey, person_id: int) -> None:
    """Make the journey that of a person: with all merged into it and the members of every brand, merged ones too."""
    journey.person_ids = identity.all_ids_of(person_id)
    journey.members = [
        key
        for brand_id in members.member_ids_by_brand(journey.person_ids[0])
        if journey.brand_id in (None, brand_id)
        for key in members.all_of_person(brand_id, journey.person_ids[:1])
    ]


def _from_correlation(journey: Journey, correlation: str) -> None:
    """Find whom a correlation id touched. Work for many people keeps to its own rows."""
    touched = _touched([correlation])
    living = {identity.resolve(person_id) for _, _, person_id in touched if person_id}
    for brand_id, member_id, person_id in touched:
        if member_id and not person_id and (member := members.member(brand_id, member_id)):
            living.add(identity.resolve(member.person_id))
    if len(living) == 1:
        _about(journey, living.pop())


def _touched(correlations: Iterable[str]) -> list[tuple[int, int, int]]:
    """(brand_id, member_id, person_id) of everything some correlation ids touched; 0 for none.

    Events name almost everybody; tables are asked only when no event does.
    """
    wanted = list(correlations)
    rows = session.execute(
        select(Outbox.brand_id, Outbox.member_id, Outbox.person_id)
        .where(Outbox.correlation_id.in_(wanted), or_(Outbox.member_id.is_not(None), Outbox.person_id.is_not(None)))
        .distinct()
        .limit(LIMIT)
    )
    found = [(brand_id, member_id or 0, person_id or 0) for brand_id, member_id, person_id in rows]
    for table in _tables() if not found else ():
        who = [table.columns.get(name) for name in ("brand_id", "member_id", "person_id")]
        if who[1] is None and who[2] is None:
            continue
        some = select(*(column for column in who if column is not None))
        for row in session.execute(some.where(table.columns.correlation_id.in_(wanted)).limit(10)).mappings():
            found.append((row.get("brand_id") or 0, row.get("member_id") or 0, row.get("person_id") or 0))
    return found


def _tables() -> list[Table]:
    """The tables whose rows are caused by somebody: they carry a correlation id."""
    return [
        table
        for table in db.metadata.sorted_tables
        if "correlation_id" in table.columns and table.name not in _PLUMBING
    ]


def _about_subject(journey: Journey, table: Table) -> ColumnElement[bool]:
    if table.name in _MEMBERS_AS_PERSONS:
        pairs = [tuple_(table.columns.brand_id, table.columns[name]) for name in ("winner_id", "loser_id")]
        return or_(false(), *(pair.in_(journey.members) for pair in pairs if journey.members))
    conditions: list[ColumnElement[bool]] = [
        table.columns[name].in_(journey.person_ids) for name in _PERSON_COLUMNS if name in table.columns
    ]
    if "member_id" in table.columns and journey.members:
        conditions.append(tuple_(table.columns.brand_id, table.columns.member_id).in_(journey.members))
    return or_(false(), *conditions)


def _subject_rows(journey: Journey) -> list[_Rows]:
    """Rows that are about the person or one of the memberships."""
    rows: list[_Rows] = []
    if not journey.person_ids:
        return rows
    for table in [*_tables(), Outbox.metadata.tables["outbox"]]:
        condition = _about_subject(journey, table)
        found = session.execute(select(table).where(condition).limit(LIMIT)).mappings().all()
        if found:
            rows.append((table.name, found))
            journey.correlations |= {row["correlation_id"] for row in found}
    return rows


def _caused_rows(journey: Journey, start: str, rows: list[_Rows]) -> list[_Rows]:
    """Rows that name nobody but belong to the same callbacks and requests: messages, deliveries, effects, audit."""
    if not _names_somebody(start):
        journey.correlations.add(start)
    journey.shared = _shared(journey) if journey.person_ids else set()
    own = sorted(journey.correlations - journey.shared)
    seen = {table: {_key(table, row) for row in found} for table, found in rows}
    more: list[_Rows] = []

    def add(table: Table, condition: ColumnElement[bool]) -> Sequence[Any]:
        found = session.execute(select(table).where(condition).limit(LIMIT)).mappings().all()
        fresh = [row for row in found if _key(table.name, row) not in seen.get(table.name, set())]
        if fresh:
            more.append((table.name, fresh))
        return found

    metadata = db.metadata.tables
    add(metadata["inbox"], Inbox.correlation_id.in_(own))
    add(metadata["slot"], Slot.correlation_id.in_(sorted(journey.correlations)))
    for table in _tables():
        # A row about somebody else is not this customer's, even where one request touched both.
        nobody = [table.columns[name].is_(None) for name in ("member_id", *_PERSON_COLUMNS) if name in table.columns]
        if journey.person_ids:
            add(table, and_(table.columns.correlation_id.in_(own), *nobody))
        else:
            add(table, table.columns.correlation_id.in_(own))
    events = [row["id"] for table, found in rows if table == "outbox" for row in found]
    events += [row["id"] for row in add(metadata["outbox"], Outbox.correlation_id.in_(own))]
    add(metadata["delivery"], Delivery.outbox_id.in_(events))
    subjects = [ids.encode("mbr", member_id) for _, member_id in journey.members]
    subjects += [ids.encode("prs", person_id) for person_id in journey.person_ids]
    add(metadata["audit_log"], or_(AuditLog.correlation_id.in_(own), AuditLog.subject.in_(subjects)))
    return more


def _shared(journey: Journey) -> set[str]:
    """Those of the correlation ids that also touched somebody else."""
    rows = session.execute(
        select(Outbox.correlation_id, Outbox.brand_id, Outbox.member_id, Outbox.person_id)
        .where(
            Outbox.correlation_id.in_(journey.correlations),
            or_(
                Outbox.person_id.not_in(journey.person_ids),
                and_(
                    Outbox.member_id.is_not(None),
                    tuple_(Outbox.brand_id, Outbox.member_id).not_in(journey.members or [(0, 0)]),
                ),
            ),
        )
        .distinct()
        .limit(LIMIT)
    )
    living = set(journey.members)
    return {
        correlation
        for correlation, brand_id, member_id, person_id in rows
        if (member_id and (brand_id, member_id) not in living)
        or (person_id and not member_id and person_id not in journey.person_ids)
    }


def _key(table: str, row: Any) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in db.metadata.tables[table].primary_key.columns)
