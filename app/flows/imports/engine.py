"""One import from beginning to end: begin, chunk after chunk, finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

import pyarrow as pa
from sqlalchemy import text

from app.core import bulk, context
from app.core.db import session
from app.core.errors import Conflict
from app.imports import commands as imports
from app.imports.commands import Tally
from app.imports.errors import NoCorp
from app.imports.events import ChunkDue
from app.imports.models import ImportJob
from app.imports.rules import LAYOUTS

from . import ground as grounds
from . import orders, organisation, people, reader, refunds
from .ground import Ground
from .reader import Chunk, Opened

_TOUCHED = ("person", "identity", "membership", "member", "sales_order", "order_line", "order_number", "refund_number")


class ImportOpen(Conflict):
    code, message = "import_open", "The same file is being imported already: as a rehearsal, or for good."


class OutOfTurn(Conflict):
    code, message = "import_out_of_turn", "Another importer has these rows."


class Kind(NamedTuple):
    """How rows of a kind are written: `prepare` in pure Python, `write` in the open transaction."""

    prepare: Callable[[Ground, pa.Table], Any]
    write: Callable[[Ground, Any], Tally]


KINDS: Mapping[str, Kind] = {
    "stores": Kind(organisation.prepare_stores, organisation.write_stores),
    "guides": Kind(organisation.prepare_guides, organisation.write_guides),
    "members": Kind(people.prepare, people.write),
    "orders": Kind(orders.prepare, orders.write),
    "order_lines": Kind(orders.prepare, orders.write),
    "refunds": Kind(refunds.prepare, refunds.write),
}


def begin(
    *,
    brand_id: int,
    kind: str,
    source: str,
    opened: Opened,
    filename: str,
    created_by: str,
    dry_run: bool = False,
    create_members: bool = False,
    mapping: Mapping[str, str] | None = None,
) -> tuple[ImportJob, bool]:
    """The job of a file that `reader.inspect` looked at, and whether it is new: an open one goes on where it is."""
    options = {
        "header": list(opened.header),
        "mapping": dict(mapping or {}),
        "dry_run": dry_run,
        "create_members": create_members,
    }
    job, new = imports.start(
        brand_id=brand_id,
        kind=kind,
        source=source,
        format=opened.format,
        filename=filename,
        digest=opened.digest,
        size=opened.size,
        options=options,
        created_by=created_by,
        cursor=opened.before,
    )
    if bool(job.options.get("dry_run")) != dry_run:
        raise ImportOpen()
    if kind == "guides" and grounds.of(job).corp_id is None:
        raise NoCorp()
    return job, new


def keep(job: ImportJob, file: IO[bytes], opened: Opened) -> None:
    """Store the rows of an uploaded file for the workers, and ask them to begin."""
    last = opened.before
    for chunk in reader.chunks(file, opened, LAYOUTS[job.kind], after=opened.before):
        imports.keep_chunk(job_id=job.job_id, after=chunk.after, until=chunk.until, body=reader.packed(chunk))
        last = chunk.until
    imports.note_rows(job_id=job.job_id, rows=last)
    imports.go_on(brand_id=job.brand_id, job_id=job.job_id, after=opened.before)


def settle(ground: Ground) -> None:
    """Before a job's first chunk: tables that were filled lately look empty to the planner until somebody analyses."""
    if ground.kind not in ("stores", "guides"):
        bulk.analyze(*_TOUCHED)


def prepare(ground: Ground, chunk: Chunk) -> Any:
    """What `write` needs of a chunk; touches no database, so it may run beside another chunk's writing."""
    return KINDS[ground.kind].prepare(ground, chunk.table)


def write(ground: Ground, chunk: Chunk, prepared: Any) -> bool:
    """Write a chunk in the open transaction, cursor and errors with it; False when it is not the job's next."""
    job = imports.advance(job_id=ground.job_id, after=chunk.after, until=chunk.until)
    if job is None:
        return False
    with context.correlated(job.correlation_id):
        _record(ground, chunk, _tally(ground, prepared, rehearsal=job.status == "checking"))
    return True


def write_in_turn(ground: Ground, chunk: Chunk, prepared: Any, turn: Callable[[], bool]) -> bool:
    """As `write`, but the cursor moves last: a chunk is written while the one before it still is.

    `turn` waits until that one has committed and says whether it was written. Raises OutOfTurn, for the caller to roll
    back, when somebody else moved the cursor.
    """
    with context.correlated(ground.correlation_id):
        tally = _tally(ground, prepared, rehearsal=False)
        if not turn() or imports.advance(job_id=ground.job_id, after=chunk.after, until=chunk.until) is None:
            raise OutOfTurn()
        _record(ground, chunk, tally)
    return True


def may_overlap(ground: Ground) -> bool:
    """Whether chunks of the job may be written beside each other: they share nothing but numbers of torn orders."""
    return ground.kind in ("orders", "order_lines") and not any(
        ground.options.get(name) for name in ("dry_run", "create_members")
    )


def _tally(ground: Ground, prepared: Any, *, rehearsal: bool) -> Tally:
    # Everything here is found by key, from a table the planner knows nothing of: it would read all orders to find few.
    session.execute(text("SET LOCAL enable_hashjoin = off"))
    session.execute(text("SET LOCAL enable_mergejoin = off"))
    # The server notices within a second that this process is gone, and lets the next one have its rows.
    session.execute(text("SET LOCAL client_connection_check_interval = 1000"))
    if rehearsal:
        return bulk.rehearse(lambda: KINDS[ground.kind].write(ground, prepared))
    return KINDS[ground.kind].write(ground, prepared)


def _record(ground: Ground, chunk: Chunk, tally: Tally) -> None:
    tally.faults = [*chunk.faults, *tally.faults]
    imports.record(job_id=ground.job_id, rows=chunk.read, tally=tally)


def chunk_due(event: ChunkDue) -> None:
    """Subscriber: write the stored rows after a number and ask for the next; the last one ends the job."""
    job = imports.run(job_id=event.job_id)
    stored = imports.take_chunk(job_id=job.job_id, after=event.after)
    if stored is None:
        imports.finish(job_id=job.job_id, after=event.after)
        return
    ground, chunk = grounds.of(job), reader.unpacked(stored[1])
    if not job.read:
        settle(ground)
    if write(ground, chunk, prepare(ground, chunk)):  # else it was cancelled meanwhile
        imports.go_on(brand_id=job.brand_id, job_id=job.job_id, after=chunk.until)
