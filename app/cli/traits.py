"""`flask traits`: what follows from members' orders, made anew."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.core import clock
from app.core.transaction import reading, transaction
from app.org import queries as org
from app.segments import commands as segments

CHUNK = 5000

group = AppGroup("traits", help="Traits of members: orders, scores, lifecycle.")


@group.command("rebuild")
@click.option("--brand", default="", help="Code of one brand; all of them when none is named.")
def rebuild(brand: str) -> None:
    """Make every member's traits from the orders, renew the cut points, and score everybody by them."""
    with reading():
        wanted = [row for row in org.brands() if not brand or row.code == brand]
    if not wanted:
        raise click.ClickException("There is no such brand.")
    for row in wanted:
        rebuild_brand(row.id)
        click.echo(f"{row.code}: made")


def rebuild_brand(brand_id: int) -> None:
    """Twice over all members: scores follow from cut points, and these from what the first round found."""
    as_of = clock.now()
    for _ in range(2):
        after: int | None = 0
        while after is not None:
            with transaction():
                after = segments.rebuild_traits(brand_id=brand_id, after=after, limit=CHUNK, as_of=as_of)
        with transaction():
            segments.renew_cuts(brand_id=brand_id, as_of=as_of)
