"""`flask import`: a file of another system, read where it lies, chunk by chunk, with progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.core import audit, ids
from app.core.errors import Busy, SiyuError
from app.core.transaction import reading, run, transaction
from app.flows.imports import engine, ground, reader
from app.flows.imports.ground import Ground
from app.flows.imports.reader import Chunk, Opened
from app.imports import commands as imports
from app.imports import queries
from app.imports.models import KINDS
from app.imports.rules import LAYOUTS
from app.org import queries as org

ACTOR = "command-line"
BUSY_TRIES = 20
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
    with path.open("rb") as file:
        try:
            opened = reader.inspect(file, kind, mapping)
            with transaction():
                job, new = engine.begin(
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
                subject = ids.encode("imp", job.job_id)
                if new:
                    audit.record(actor=ACTOR, action="import.start", subject=subject, kind=kind, dry_run=dry_run)
                job = imports.run(job_id=job.job_id)
                where = ground.of(job)
            _go_on(file, opened, where, after=job.cursor)
        except SiyuError as error:
            raise click.ClickException(f"{error.message} {error.data or ''}".strip()) from error
    _report(brand.id, job.job_id)


def _go_on(file: IO[bytes], opened: Opened, where: Ground, *, after: int) -> None:
    """Write chunk after chunk, while the next one is being read and checked beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(where.kind, total=None, completed=after)
        for chunk, prepared in _prepared(file, opened, where, after):
            if not _written(where, chunk, prepared):
                break  # cancelled, or another importer has come further
            after = chunk.until
            progress.update(task, completed=after)
    run(lambda: imports.finish(job_id=where.job_id, after=after))


def _prepared(file: IO[bytes], opened: Opened, where: Ground, after: int) -> Iterator[tuple[Chunk, Any]]:
    chunks = reader.chunks(file, opened, LAYOUTS[where.kind], after=after)

    def following() -> tuple[Chunk, Any] | None:
        chunk = next(chunks, None)
        return None if chunk is None else (chunk, engine.prepare(where, chunk))

    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(following)
        while (ready := coming.result()) is not None:
            coming = beside.submit(following)
            yield ready


def _written(where: Ground, chunk: Chunk, prepared: Any) -> bool:
    for attempt in range(BUSY_TRIES):
        # A try may have refused rows; another one looks at all of them again.
        fresh = prepared if attempt == 0 else engine.prepare(where, chunk)
        try:
            with transaction():
                return engine.write(where, chunk, fresh)
        except Busy:
            if attempt == BUSY_TRIES - 1:
                raise
            time.sleep(0.1 * (attempt + 1))
    raise AssertionError("unreachable")


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
