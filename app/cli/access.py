"""`flask access`: the matrix of routes and callers as a table."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext
from rich.console import Console
from rich.table import Table

from app import access


@click.command("access")
@click.option("--audience", help="Only one of admin, hooks, miniapp, pos, sidebar.")
@with_appcontext
def command(audience: str | None) -> None:
    """Print who may call what; a dot is a refusal."""
    table = Table(title="routes and callers", show_lines=False)
    for heading in ("audience", "method", "path", *access.CALLERS):
        table.add_column(heading, no_wrap=True)
    shown = [one for one in access.routes(current_app) if audience in (None, one.audience)]  # type: ignore[arg-type]
    for one in shown:
        cells = (
            ["open"] * len(access.CALLERS) if one.open else ["yes" if c in one.callers else "·" for c in access.CALLERS]
        )
        table.add_row(one.audience, one.method, one.path, *cells)
    rows = Table(title="callers and the rows they see", show_lines=False)
    for heading in ("caller", "rows"):
        rows.add_column(heading, no_wrap=True)
    for caller in access.CALLERS:
        rows.add_row(caller, access.ROWS[caller])
    console = Console(width=200)
    console.print(table)
    console.print(rows)
    click.echo(f"{len(shown)} routes, {sum(bool(one.open) for one in shown)} open")
