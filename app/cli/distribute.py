"""`flask distribute`: turn a plain database into a distributed one."""

from __future__ import annotations

import click

from app.core.transaction import transaction
from app.flows import distribute


@click.command("distribute")
@click.option("--plan", is_flag=True, help="Only print what would be done.")
def command(plan: bool) -> None:
    """Spread the tables over a Citus cluster; changes nothing where the extension is missing."""
    with transaction():
        if plan or not distribute.available():
            for step in distribute.plan():
                click.echo(f"{step.table:<28}{step.by}")
            if not plan:
                click.echo("This PostgreSQL does not offer the extension citus: nothing was changed.")
            return
        steps = list(distribute.distribute())
    for step in steps:
        click.echo(f"{step.table:<28}{step.by}")
    click.echo(f"{len(steps)} tables spread")
