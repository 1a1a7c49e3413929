"""From one PostgreSQL to many: spread the tables over a Citus cluster as each says (core/db.py, distribution)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Table, text

from app.core.db import db, session


@dataclass(frozen=True)
class Step:
    """One table and how it is spread: `reference` (a copy everywhere), or a column's name."""

    table: str
    by: str
    colocate_with: str = ""


def plan() -> list[Step]:
    """The steps in an order the engine accepts: reference tables first, since others point at them.

    Tables spread by the same column live together on the same nodes, so that joins on it stay local. `local` tables
    stay on the coordinator.
    """
    tables = list(db.metadata.sorted_tables)
    steps = [Step(table.name, "reference") for table in tables if _distribution(table) == "reference"]
    first_of: dict[str, str] = {}
    for table in tables:
        key = _distribution(table)
        if key in ("reference", "local"):
            continue
        group = f"{key} {table.columns[key].type}"
        steps.append(Step(table.name, key, first_of.get(group, "")))
        first_of.setdefault(group, table.name)
    return steps


def available() -> bool:
    """Whether the database server has the Citus extension to offer."""
    return session.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'")) == 1


def distribute() -> Iterator[Step]:
    """Carry out the plan in the open transaction; tables that are spread already are passed over."""
    session.execute(text("CREATE EXTENSION IF NOT EXISTS citus"))
    done = set(session.scalars(text("SELECT logicalrelid::text FROM pg_dist_partition")))
    for step in plan():
        if step.table in done:
            continue
        if step.by == "reference":
            session.execute(text("SELECT create_reference_table(:table)"), {"table": step.table})
        else:
            session.execute(
                text("SELECT create_distributed_table(:table, :by, colocate_with => :together)"),
                {"table": step.table, "by": step.by, "together": step.colocate_with or "none"},
            )
        yield step


def _distribution(table: Table) -> str:
    return str(table.info["distribution"])
