"""Many rows at once: Arrow tables into PostgreSQL by COPY, inside the open transaction.

A chunk of a bulk import is written by a handful of statements over a staged table instead of one a row. COPY text is
made by Arrow itself, so no Python runs per row.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
import pyarrow as pa
from psycopg.rows import TupleRow
from pyarrow import csv

from .db import session

T = TypeVar("T")

_OPTIONS = csv.WriteOptions(include_header=False, batch_size=16_384)


def connection() -> psycopg.Connection[TupleRow]:
    """The driver's connection of the open transaction."""
    raw = session.connection().connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


def copy(name: str, rows: pa.Table) -> None:
    """COPY an Arrow table into the table `name`, by the names of its columns. Bytes go as text: `\\x` and hex."""
    if not rows.num_rows:
        return
    text = io.BytesIO()
    csv.write_csv(rows.combine_chunks(), text, _OPTIONS)  # of an empty chunk pyarrow 26 writes what its memory held
    columns = ", ".join(f'"{column}"' for column in rows.column_names)
    with connection().cursor() as cursor:
        with cursor.copy(f"COPY {name} ({columns}) FROM STDIN (FORMAT csv)") as sink:
            sink.write(text.getbuffer())


def stage(name: str, rows: pa.Table) -> None:
    """Put an Arrow table into a temporary table of the transaction, called `name`; it replaces one of that name."""
    columns = ", ".join(f'"{field.name}" {_type(field.type)}' for field in rows.schema)
    with connection().cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP")
    copy(name, rows)


def execute(statement: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Run a statement over what was staged; returns how many rows it touched."""
    with connection().cursor() as cursor:
        return cursor.execute(statement, parameters).rowcount


def fetch(statement: str, parameters: Mapping[str, Any] | None = None) -> list[TupleRow]:
    """Run a query over what was staged; returns its rows."""
    with connection().cursor() as cursor:
        return cursor.execute(statement, parameters).fetchall()


def analyze(*names: str) -> None:
    """Let the planner look at tables anew, before much is joined with them. Tables somebody maintains are left out."""
    with connection().cursor() as cursor:
        cursor.execute(f"ANALYZE (SKIP_LOCKED) {', '.join(names)}")


def rehearse(work: Callable[[], T]) -> T:
    """Do work in the open transaction and undo it: its answer says what would have come of it."""
    with session.begin_nested() as rehearsal:
        answer = work()
        session.flush()
        rehearsal.rollback()
    session.expire_all()
    return answer


def _type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "bigint"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    if pa.types.is_date(kind):
        return "date"
    return "text"
