"""`flask import`: a file of another system, read where it lies, chunk by chunk, with progress."""

from __future__ import annotations

import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import click
from flask import current_app
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.core import audit, ids
from app.core.errors import Busy, Retryable, SiyuError
from app.core.transaction import reading, transaction
from app.flows.imports import engine, ground, reader
from app.flows.imports.ground import Ground
from app.flows.imports.reader import Chunk, Opened
from app.imports import commands as imports
from app.imports import queries
from app.imports.models import KINDS, OPEN, ImportJob
from app.imports.rules import LAYOUTS
from app.org import queries as org

T = TypeVar("T")

ACTOR = "command-line"
PATIENCE = 120  # seconds of waiting for rows that another process holds
OVERLAP = 2  # chunks written at once: one waits for its turn to commit while the other works
SHOWN = 20


@click.command("import")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--brand", "brand_code", required=True, help="The brand's code.")
@click.option("--source", required=True, help="The other system's name; with it its own ids are told apart.")
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing but the report.")
@click.option("--create-members", is_flag=True, help="Make members of phones of orders that nobody has.")
@click.option(
    "--map", "mapped", multiple=True, metavar="HEADER=FIELD", help="What a header means; FIELD@yuan for yuan."
)
def command(
    kind: str,
    path: Path,
    brand_code: str,
    source: str,
    dry_run: bool,
    create_members: bool,
    mapped: tuple[str, ...],
) -> None:
    """Import stores, guides, members, orders, order_lines or refunds from CSV or Parquet.

    Killed anywhere, the same command goes on after the last whole chunk. A file that was imported changes nothing.
    """
    mapping = dict(one.split("=", 1) for one in mapped if "=" in one)
    with reading():
        brand = org.brand_by_code(brand_code)
    if brand is None:
        raise click.BadParameter(f"there is no brand {brand_code!r}")
    job: ImportJob | None = None
    with path.open("rb") as file:
        try:
            opened = reader.inspect(file, kind, mapping)
            job = _patiently(
                lambda: _begun(
                    brand_id=brand.id,
                    kind=kind,
                    source=source,
                    opened=opened,
                    filename=path.name,
                    created_by=ACTOR,
                    dry_run=dry_run,
                    create_members=create_members,
                    mapping=mapping,
                )
            )
            with reading():
                where = ground.of(job)
            _patiently(lambda: engine.settle(where))
            _go_on(file, opened, where, after=job.cursor)
        except SiyuError as error:
            if job is not None and not isinstance(error, Retryable):  # what may be tried again goes on where it is
                _patiently(partial(imports.fail, job_id=job.job_id, code=error.code))
            raise click.ClickException(f"{error.message} {error.data or ''}".strip()) from error
    _report(brand.id, job.job_id)


def _begun(**told: Any) -> ImportJob:
    job, new = engine.begin(**told)
    if new:
        subject = ids.encode("imp", job.job_id)
        audit.record(actor=ACTOR, action="import.start", subject=subject, kind=job.kind, dry_run=told["dry_run"])
    return imports.run(job_id=job.job_id)


def _go_on(file: IO[bytes], opened: Opened, where: Ground, *, after: int) -> None:
    """Write chunk after chunk, while the next ones are being read and checked beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    write = _two_at_a_time if engine.may_overlap(where) else _one_at_a_time
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(where.kind, total=None, completed=after)

        def told(until: int) -> None:
            progress.update(task, completed=until)

        while True:
            try:
                after = write(file, opened, where, after, told)
                break
            except (Busy, engine.OutOfTurn) as error:
                if isinstance(error, Busy) and write is _one_at_a_time:
                    raise
            # Two chunks wanted one row, or another importer has come further, be it that a killed one's last commit
            # was on its way: from where the job is by now, one after the other.
            with reading():
                job = queries.job(where.brand_id, where.job_id)
            if job.status not in OPEN:
                return
            write, after = _one_at_a_time, job.cursor
    _patiently(lambda: imports.finish(job_id=where.job_id, after=after))


def _one_at_a_time(file: IO[bytes], opened: Opened, where: Ground, after: int, told: Callable[[int], None]) -> int:
    with closing(_prepared(file, opened, where, after)) as coming:
        for chunk, prepared in coming:
            _written(where, chunk, prepared)
            after = chunk.until
            told(after)
    return after


def _two_at_a_time(file: IO[bytes], opened: Opened, where: Ground, after: int, told: Callable[[int], None]) -> int:
    """Write a chunk while the one before it is still being written; they commit in their order."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def work(chunk: Chunk, prepared: Any, turn: Callable[[], bool]) -> bool:
        with app.app_context(), transaction():
            return engine.write_in_turn(where, chunk, prepared, turn)

    flying: deque[tuple[int, Future[bool]]] = deque()
    with ThreadPoolExecutor(OVERLAP) as writers:
        before: Callable[[], bool] = lambda: True  # noqa: E731
        with closing(_prepared(file, opened, where, after)) as coming:
            for chunk, prepared in coming:
                flying.append((chunk.until, writers.submit(work, chunk, prepared, before)))
                before = flying[-1][1].result
                if len(flying) == OVERLAP:
                    after = _landed(flying, told)
        while flying:
            after = _landed(flying, told)
    return after


def _landed(flying: deque[tuple[int, Future[bool]]], told: Callable[[int], None]) -> int:
    until, future = flying.popleft()
    future.result()
    told(until)
    return until


def _prepared(file: IO[bytes], opened: Opened, where: Ground, after: int) -> Generator[tuple[Chunk, Any], None, None]:
    chunks = reader.chunks(file, opened, LAYOUTS[where.kind], after=after)

    def following() -> tuple[Chunk, Any] | None:
        chunk = next(chunks, None)
        return None if chunk is None else (chunk, engine.prepare(where, chunk))

    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(following)
        while (ready := coming.result()) is not None:
            coming = beside.submit(following)
            yield ready


def _written(where: Ground, chunk: Chunk, prepared: Any) -> None:
    tries = itertools.count()

    def work() -> None:
        # A try may have refused rows; another one looks at all of them again.
        fresh = prepared if next(tries) == 0 else engine.prepare(where, chunk)
        if not engine.write(where, chunk, fresh):
            raise engine.OutOfTurn()

    _patiently(work)


def _patiently(work: Callable[[], T]) -> T:
    """Do `work` in a transaction; while somebody holds its rows, again: a killed importer's locks outlive it."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with transaction():
                return work()
        except Busy:
            if time.monotonic() > until:
                raise
        time.sleep(random.uniform(0.1, 0.5))


def _report(brand_id: int, job_id: int) -> None:
    with reading():
        job = queries.job(brand_id, job_id)
        errors = queries.errors(job_id, limit=SHOWN)
    subject = ids.encode("imp", job_id)
    click.echo(
        f"{subject} {job.status}: {job.read} rows read, {job.created} created, {job.updated} updated,"
        f" {job.unchanged} unchanged, {job.refused} rows refused"
    )
    for one in errors:
        click.echo(f"  row {one.row_no} {one.code} {one.field}: {one.message}")
    if job.refused > len(errors):
        click.echo("  and more: see the console or /api/admin/v1/imports")
