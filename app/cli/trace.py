"""`flask trace ID`: one real customer's journey, to the last row."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click

from app.core import ids
from app.core.errors import NotFound
from app.core.transaction import transaction
from app.flows.trace import LIMIT, trace
from app.flows.trace_lines import Step

ZONE = ZoneInfo("Asia/Shanghai")


@click.command("trace")
@click.argument("start", metavar="ID")
@click.option("--limit", default=LIMIT, show_default=True, help="Print at most so many of the newest steps.")
def command(start: str, limit: int) -> None:
    """Print what happened to the customer behind a correlation id, a member (mbr_.. or number) or a person (prs_..)."""
    try:
        with transaction():
            journey = trace(start, limit=limit)
    except NotFound:
        raise click.ClickException(f"nothing is known by {start}") from None
    for person_id in journey.person_ids[:1]:
        merged = f", {len(journey.person_ids) - 1} merged into it" if len(journey.person_ids) > 1 else ""
        click.echo(f"person {ids.encode('prs', person_id)}{merged}")
    for _, member_id in journey.members:
        click.echo(f"member {ids.encode('mbr', member_id)}")
    click.echo(f"{len(journey.correlations)} correlation ids, {len(journey.steps)} steps, times of {ZONE.key}")
    if journey.cut:
        click.echo("older steps are left out, see --limit")
    for step in journey.steps:
        click.echo(_line(step))


def _line(step: Step) -> str:
    at = step.at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    facts = " ".join(f"{name}={value}" for name, value in step.facts.items())
    took = f" took={step.seconds:.3f}s" if step.seconds is not None else ""
    return f"{at}  {step.correlation_id:<18} {step.table:<16} {step.what + ' ' if step.what else ''}{facts}{took}"
