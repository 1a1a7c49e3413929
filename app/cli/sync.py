"""`flask sync`: reconcile a brand's corp with WeCom, and what that found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup

from app.core import ids
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.flows.sync import runs
from app.flows.sync.models import SyncRun
from app.org import queries as org

group = AppGroup("sync", help="Reconcile with WeCom.")
BY = "cli"


@group.command("run")
@click.option("--brand", required=True, help="The brand's code.")
@click.option("--kind", type=click.Choice(["full", "incremental"]), default="full", show_default=True)
def run(brand: str, kind: str) -> None:
    """Start a reconciliation; the workers carry it out."""
    with _explained(), transaction():
        started = runs.start(brand_id=_brand(brand), kind=kind, by=BY)
    click.echo(f"{ids.encode('syn', started.run_id)} started")


@group.command("status")
@click.option("--brand", required=True, help="The brand's code.")
@click.option("--limit", default=5, show_default=True)
def status(brand: str, limit: int) -> None:
    """Show the newest reconciliations and what each counted."""
    with transaction():
        found = runs.runs(_brand(brand), limit=limit)
        progress = runs.progress([one.run_id for one in found])
    for one in found:
        read, known, left_out = progress.get(one.run_id, (0, 0, 0))
        click.echo(f"{_line(one)}  read {read}/{known}" + (f", {left_out} left out" if left_out else ""))
        for thing, counted in one.counts.items():
            click.echo("    " + f"{thing:<12}" + "".join(f"{name} {number:<8}" for name, number in counted.items()))


@group.command("drift")
@click.argument("run_id", metavar="RUN")
@click.option("--brand", required=True, help="The brand's code.")
@click.option("--limit", default=100, show_default=True)
def drift(run_id: str, brand: str, limit: int) -> None:
    """Print the differences a reconciliation found; ends with 1 when some are not put right."""
    with _explained(), transaction():
        brand_id, number = _brand(brand), _run(run_id)
        runs.run_of(brand_id, number)
        found = runs.drift(brand_id, number, limit=limit)
    for one in found:
        sides = f"{json.dumps(one.ours, ensure_ascii=False)} -> {json.dumps(one.theirs, ensure_ascii=False)}"
        click.echo(f"{one.kind:<12}{one.change:<9}{one.subject}  {sides}{'' if one.repaired else '  not put right'}")
    click.echo(f"{len(found)} differences")
    if any(not one.repaired for one in found):
        raise SystemExit(1)


@group.command("confirm")
@click.argument("run_id", metavar="RUN")
@click.option("--brand", required=True, help="The brand's code.")
def confirm(run_id: str, brand: str) -> None:
    """Say that what a waiting reconciliation misses is gone."""
    with _explained(), transaction():
        going = runs.confirm(brand_id=_brand(brand), run_id=_run(run_id), by=BY)
    click.echo(_line(going))


@group.command("cancel")
@click.argument("run_id", metavar="RUN")
@click.option("--brand", required=True, help="The brand's code.")
def cancel(run_id: str, brand: str) -> None:
    """End a reconciliation where it stands."""
    with _explained(), transaction():
        ended = runs.cancel(brand_id=_brand(brand), run_id=_run(run_id), by=BY)
    click.echo(_line(ended))


@contextmanager
def _explained() -> Iterator[None]:
    """A refusal as one line instead of a traceback."""
    try:
        yield
    except SiyuError as error:
        raise click.ClickException(error.message) from None


def _brand(code: str) -> int:
    row = org.brand_by_code(code)
    if row is None:
        raise click.ClickException(f"no brand {code}")
    return row.id


def _run(run_id: str) -> int:
    try:
        return ids.decode("syn", run_id)
    except SiyuError:
        raise click.ClickException(f"{run_id} is no reconciliation") from None


def _line(one: SyncRun) -> str:
    ended = f"  ended {one.finished_at:%H:%M:%S}" if one.finished_at else f"  at {one.step}"
    error = f"  {one.error}" if one.error else ""
    name, began = ids.encode("syn", one.run_id), f"{one.started_at:%Y-%m-%d %H:%M:%S}"
    return f"{name}  {one.kind:<12}{one.status:<10}{began}{ended}{error}"
