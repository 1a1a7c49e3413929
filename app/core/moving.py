"""Moving rows from one member to another: a head table, the tables that hang on it, and the lookups that name it.

The member is what these tables are spread by, and a distribution column is never updated. So a row moves by being
deleted here and inserted there, the whole family in one statement, because foreign keys are checked at a statement's
end. The head keeps in `origin_member_id` whose it was (NULL: its own), so that a split finds it.

A transaction that commits a change of such a row while the statement waits for it would leave a child behind and break
the statement on its foreign key; so heads with children are locked first, and the statement that follows sees all of
them as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Table, TextClause, text

from .db import session
from .errors import ProgrammingError


@dataclass(frozen=True)
class Lookup:
    """A table spread by another key that says where a row of `of` is: found by `on`, columns both of them have."""

    table: Table
    of: Table
    on: tuple[str, ...]


class Homecoming(Protocol):
    """Where rows may stand that belong to a member who is parted from another, and whose they were in the beginning."""

    @property
    def homes(self) -> Sequence[int]: ...

    @property
    def origins(self) -> Sequence[int]: ...


@dataclass(frozen=True)
class Family:
    """What moves together. `children` point at the head or at each other, parents first.

    `unique`: columns that with the member make a head one of a kind; where the other member has the same, the row
    stays.
    """

    head: Table
    children: tuple[Table, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    unique: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for table in (self.head, *self.children):
            if table.info.get("merge") != "moves":
                raise ProgrammingError(f"{table.name} does not say that it moves")


def move(
    family: Family,
    *,
    brand_id: int,
    source_id: int,
    target_id: int,
    origins: Sequence[int] | None = None,
    replace: Mapping[str, str] | None = None,
) -> int:
    """Move the family's rows of one member to another; returns how many heads went.

    `origins`: only what belonged to one of these members in the beginning. A row that comes home forgets its origin.
    `replace`: what a column of the head becomes on the way, SQL over `t`, the row as it was, that may name
    `:target_id` (as text `:target`).
    """
    asked: dict[str, Any] = {
        "brand_id": brand_id,
        "source_id": source_id,
        "target_id": target_id,
        "origins": None if origins is None else list(origins),
        "target": str(target_id),
    }
    lock, statement = _statements(family, tuple((replace or {}).items()))
    # The lock also tells the append-only triggers of this transaction where rows may go (migration 0015).
    if family.children and not session.execute(lock, asked).all():
        return 0
    return session.scalar(statement, asked) or 0


@cache
def _statements(family: Family, replace: tuple[tuple[str, str], ...]) -> tuple[TextClause, TextClause]:
    return text(_lock(family)), text(_statement(family, dict(replace)))


def bring_home(
    family: Family,
    *,
    brand_id: int,
    target_id: int,
    home: Homecoming,
    replace: Mapping[str, str] | None = None,
) -> int:
    """Move to a member what belonged to one of the origins in the beginning, from wherever of the homes it stands."""
    return sum(
        move(
            family,
            brand_id=brand_id,
            source_id=source_id,
            target_id=target_id,
            origins=home.origins,
            replace=replace,
        )
        for source_id in home.homes
        if source_id not in home.origins
    )


_MINE = (
    "t.brand_id = CAST(:brand_id AS bigint) AND t.member_id = CAST(:source_id AS bigint)"
    " AND (CAST(:origins AS bigint[]) IS NULL"
    " OR coalesce(t.origin_member_id, t.member_id) = ANY (CAST(:origins AS bigint[])))"
)


def _lock(family: Family) -> str:
    key = ", ".join(f"t.{column.name}" for column in family.head.primary_key)
    return (
        "SELECT set_config('siyu.moving_to', :target, true)"
        f" FROM (SELECT FROM {family.head.name} t WHERE {_condition(family)} ORDER BY {key} FOR UPDATE) AS held"
    )


def _condition(family: Family) -> str:
    if not family.unique:
        return _MINE
    same = " AND ".join(f"o.{column} = t.{column}" for column in family.unique)
    return (
        f"{_MINE} AND NOT EXISTS (SELECT FROM {family.head.name} o WHERE o.brand_id = t.brand_id"
        f" AND o.member_id = CAST(:target_id AS bigint) AND {same})"
    )


def _statement(family: Family, replace: Mapping[str, str]) -> str:
    head = family.head
    parts = [f"gone_{head.name} AS (DELETE FROM {head.name} t WHERE {_condition(family)} RETURNING t.*)"]
    for child in family.children:
        parent, pairs = _parent(child, {head, *family.children})
        joined = " AND ".join(f"t.{ours} = p.{theirs}" for ours, theirs in pairs)
        parts.append(
            f"gone_{child.name} AS (DELETE FROM {child.name} t USING gone_{parent.name} p"
            f" WHERE t.brand_id = CAST(:brand_id AS bigint) AND t.member_id = CAST(:source_id AS bigint) AND {joined}"
            " RETURNING t.*)"
        )
    origin = "nullif(coalesce(t.origin_member_id, t.member_id), CAST(:target_id AS bigint))"
    parts.append(_arrival(head, {"origin_member_id": origin, **replace}))
    parts += [_arrival(child, {}) for child in family.children]
    for lookup in family.lookups:
        joined = " AND ".join(f"t.{column} = p.{column}" for column in lookup.on)
        parts.append(
            f"found_{lookup.table.name} AS (UPDATE {lookup.table.name} t SET member_id = CAST(:target_id AS bigint)"
            f" FROM gone_{lookup.of.name} p WHERE {joined})"
        )
    return f"WITH {', '.join(parts)} SELECT count(*) FROM gone_{head.name}"


def _arrival(table: Table, replace: Mapping[str, str]) -> str:
    values = {column.name: f"t.{column.name}" for column in table.columns}
    values |= {"member_id": "CAST(:target_id AS bigint)", **replace}
    columns = ", ".join(f'"{name}"' for name in values)
    return (
        f"come_{table.name} AS (INSERT INTO {table.name} ({columns})"
        f" SELECT {', '.join(values.values())} FROM gone_{table.name} t)"
    )


def _parent(child: Table, family: set[Table]) -> tuple[Table, list[tuple[str, str]]]:
    """The table of the family that a child points at, and by which columns."""
    for table in family:
        if table.name == child.info.get("of"):
            return table, [(column.name, column.name) for column in table.primary_key]
    for constraint in child.foreign_key_constraints:
        if constraint.referred_table in family:
            return constraint.referred_table, [(one.parent.name, one.column.name) for one in constraint.elements]
    raise ProgrammingError(f"{child.name} hangs on no table that moves with it")
