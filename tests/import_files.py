"""Files of other systems for tests, and importing them as the command line does."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from factories import World
from pyarrow import parquet

from app.core.db import session
from app.core.transaction import transaction
from app.flows.imports import engine, ground, reader
from app.imports import commands, queries
from app.imports.models import ImportJob, RowError
from app.imports.rules import LAYOUTS


def csv_of(head: Sequence[str], rows: Iterable[Mapping[str, Any]], encoding: str = "utf-8") -> bytes:
    """Rows as CSV; cells that are missing or None are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, head, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def parquet_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink)
    return sink.getvalue()


def begun(world: World, kind: str, body: bytes, *, source: str = "erp", **options: Any) -> tuple[ImportJob, Any]:
    """An open job for a file, and what was found in the file."""
    opened = reader.inspect(io.BytesIO(body), kind, options.get("mapping"))
    with transaction():
        job, _ = engine.begin(
            brand_id=world.brand_id,
            kind=kind,
            source=source,
            opened=opened,
            filename="file",
            created_by="test",
            **options,
        )
        job = commands.run(job_id=job.job_id)
    return job, opened


def an_import(world: World, kind: str, body: bytes, *, source: str = "erp", **options: Any) -> ImportJob:
    """The job of a file that was imported whole."""
    job, opened = begun(world, kind, body, source=source, **options)
    with transaction():
        where = ground.of(job)
    until = job.cursor
    for chunk in reader.chunks(io.BytesIO(body), opened, LAYOUTS[kind], after=job.cursor):
        with transaction():
            assert engine.write(where, chunk, engine.prepare(where, chunk))
        until = chunk.until
    with transaction():
        commands.finish(job_id=job.job_id, after=until)
    session.expire_all()
    return queries.job(world.brand_id, job.job_id)


def faults_of(job: ImportJob) -> list[RowError]:
    return list(queries.errors(job.job_id))
