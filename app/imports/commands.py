"""Writes of imports: a job's life, how far it has come, what was refused."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as filled
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto, ids
from app.core.db import session
from app.core.outbox import emit

from .errors import JobClosed, JobUnknown
from .events import ChunkDue, Finished
from .models import OPEN, ImportChunk, ImportJob, RowError
from .rules import CHUNK_CONTEXT

MOST_ERRORS = 50_000  # kept of one job; all of them are counted
_SET_BASED = {"synchronize_session": False}


@dataclass(frozen=True)
class Fault:
    """Why a row was refused: `values` are cells of it, personal ones masked."""

    row_no: int
    code: str
    field: str
    message: str
    values: Mapping[str, str | None] = filled(default_factory=dict)


@dataclass
class Tally:
    """What one chunk did. `refused` counts rows, the others members, orders, .."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    faults: list[Fault] = filled(default_factory=list)


def start(
    *,
    brand_id: int,
    kind: str,
    source: str,
    format: str,
    filename: str,
    digest: str,
    size: int,
    options: Mapping[str, Any],
    created_by: str,
    cursor: int,
) -> tuple[ImportJob, bool]:
    """A job for a file, and whether it is new: the same file of the same source is not begun twice while it is open.

    `digest`: SHA-256 of the file, in hex; `cursor`: number of the last row before the first.
    """
    job_id = session.scalar(
        insert(ImportJob)
        .values(
            job_id=ids.new_id(),
            brand_id=brand_id,
            kind=kind,
            source=source,
            format=format,
            filename=filename[-200:],
            digest=digest,
            size=size,
            status="uploaded",
            cursor=cursor,
            options=dict(options),
            created_by=created_by,
            created_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing(
            index_elements=["brand_id", "kind", "source", "digest"],
            index_where=text("status IN ('uploaded', 'checking', 'running')"),
        )
        .returning(ImportJob.job_id)
    )
    if job_id is not None:
        return session.get_one(ImportJob, job_id), True
    found = session.scalars(
        select(ImportJob).where(
            ImportJob.brand_id == brand_id,
            ImportJob.kind == kind,
            ImportJob.source == source,
            ImportJob.digest == digest,
            ImportJob.status.in_(OPEN),
        )
    ).one_or_none()
    if found is None:  # it ended between the two statements
        raise JobClosed()
    return found, False


def run(*, job_id: int) -> ImportJob:
    """Let an uploaded job run (or rehearse, when its options say so). One that runs already goes on."""
    now = clock.now()
    session.execute(
        update(ImportJob)
        .where(ImportJob.job_id == job_id, ImportJob.status == "uploaded")
        .values(
            status=text("CASE WHEN (options ->> 'dry_run')::boolean THEN 'checking' ELSE 'running' END"),
            started_at=func.coalesce(ImportJob.started_at, now),
        ),
        execution_options=_SET_BASED,
    )
    job = session.get(ImportJob, job_id, populate_existing=True)
    if job is None:
        raise JobUnknown()
    return job


def advance(*, job_id: int, after: int, until: int) -> ImportJob | None:
    """Take the rows `after` .. `until` of a job: first statement of the transaction that deals with them.

    None when they are not next: another importer has them, or the job was cancelled. Holds the job's row.
    """
    return session.scalars(
        update(ImportJob)
        .where(ImportJob.job_id == job_id, ImportJob.cursor == after, ImportJob.status.in_(("checking", "running")))
        .values(cursor=until)
        .returning(ImportJob)
        .execution_options(populate_existing=True, **_SET_BASED)
    ).one_or_none()


def record(*, job_id: int, rows: int, tally: Tally) -> None:
    """Count a chunk's outcome and keep its errors; `rows` were read."""
    refused = {fault.row_no for fault in tally.faults}
    before = session.scalar(
        update(ImportJob)
        .where(ImportJob.job_id == job_id)
        .values(
            read=ImportJob.read + rows,
            created=ImportJob.created + tally.created,
            updated=ImportJob.updated + tally.updated,
            unchanged=ImportJob.unchanged + tally.unchanged,
            refused=ImportJob.refused + len(refused),
        )
        .returning(ImportJob.refused - len(refused)),
        execution_options=_SET_BASED,
    )
    kept = tally.faults[: max(0, MOST_ERRORS - (before or 0))]
    for start_at in range(0, len(kept), 1000):
        rows_of = [
            {
                "job_id": job_id,
                "row_no": fault.row_no,
                "code": fault.code,
                "field": fault.field,
                "message": fault.message,
                "values": dict(fault.values),
            }
            for fault in kept[start_at : start_at + 1000]
        ]
        session.execute(insert(RowError).on_conflict_do_nothing(), rows_of)


def finish(*, job_id: int, after: int) -> bool:
    """End a job whose last row is `after`; emits imports.finished unless it was a rehearsal. False: not its time."""
    row = session.execute(
        update(ImportJob)
        .where(ImportJob.job_id == job_id, ImportJob.cursor == after, ImportJob.status.in_(("checking", "running")))
        .values(status="done", rows=after, finished_at=clock.now())
        .returning(ImportJob),
        execution_options={**_SET_BASED, "populate_existing": True},
    ).scalar_one_or_none()
    if row is None:
        return False
    if not row.options.get("dry_run"):
        emit(Finished(brand_id=row.brand_id, job_id=job_id, kind=row.kind, created=row.created, updated=row.updated))
    return True


def fail(*, job_id: int, code: str) -> None:
    """End a job that cannot go on; `code` is that of an error. What was imported stays."""
    _end(job_id, "failed", code)


def cancel(*, job_id: int) -> None:
    """Stop a job after the chunk that is being written; what was imported stays. Raises JobClosed when it has ended."""
    if not _end(job_id, "cancelled", None):
        raise JobClosed()


def keep_chunk(*, job_id: int, after: int, until: int, body: bytes) -> None:
    """Store rows of an uploaded file, sealed."""
    sealed = crypto.encrypt(base64.b64encode(body).decode(), context=CHUNK_CONTEXT)
    session.execute(insert(ImportChunk).values(job_id=job_id, after=after, until=until, body=sealed))


def note_rows(*, job_id: int, rows: int) -> None:
    """Note the number of a file's last row, once it is known."""
    session.execute(update(ImportJob).where(ImportJob.job_id == job_id).values(rows=rows), execution_options=_SET_BASED)


def take_chunk(*, job_id: int, after: int) -> tuple[int, bytes] | None:
    """Stored rows after a number, and the number of their last; they are deleted. None when there are no more."""
    row = session.execute(
        delete(ImportChunk)
        .where(ImportChunk.job_id == job_id, ImportChunk.after == after)
        .returning(ImportChunk.until, ImportChunk.body),
        execution_options=_SET_BASED,
    ).one_or_none()
    return None if row is None else (row.until, base64.b64decode(crypto.decrypt(row.body, context=CHUNK_CONTEXT)))


def go_on(*, brand_id: int, job_id: int, after: int) -> None:
    """Ask the workers for the rows after a number."""
    emit(ChunkDue(brand_id=brand_id, job_id=job_id, after=after))


def forget(*, job_ids: Iterable[int]) -> None:
    """Delete what is left of uploaded files."""
    session.execute(delete(ImportChunk).where(ImportChunk.job_id.in_(list(job_ids))), execution_options=_SET_BASED)


def _end(job_id: int, status: str, code: str | None) -> bool:
    ended = session.scalar(
        update(ImportJob)
        .where(ImportJob.job_id == job_id, ImportJob.status.in_(OPEN))
        .values(status=status, last_error=code, finished_at=clock.now())
        .returning(ImportJob.job_id),
        execution_options=_SET_BASED,
    )
    if ended is not None:
        forget(job_ids=[job_id])
    return ended is not None
