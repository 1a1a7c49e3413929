"""`flask privacy`: how long things are kept, and a change of keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click
from flask.cli import AppGroup

from app.core import audit, clock, ids
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.flows import rekey
from app.flows import retention as keeping
from app.org import queries as org
from app.privacy import commands as privacy

ACTOR = "command-line"

group = AppGroup("privacy", help="Keep no longer than needed; change keys; publish a policy.")


@group.command("retention")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def retention(dry_run: bool) -> None:
    """Forget what is over, or say what would be."""
    with transaction():
        names = {brand.id: brand.code for brand in org.brands()}
        lines = keeping.over()
    for line in lines:
        brand = names.get(line.brand_id, "-") if line.brand_id is not None else "-"
        click.echo(f"{brand:<16}{line.kind:<20}older than {line.days:>4} days{line.rows:>10}")
    gone = 0
    while not dry_run:
        with transaction():
            rows = keeping.forget()
        gone += sum(rows.values())
        if all(count < keeping.CHUNK for count in rows.values()):
            break
    click.echo(f"{sum(line.rows for line in lines)} rows over, {gone} forgotten")


@group.command("keep")
@click.argument("brand")
@click.argument("kind", type=click.Choice(sorted(keeping.KINDS)))
@click.argument("days", type=click.IntRange(1, keeping.MOST_DAYS))
def keep(brand: str, kind: str, days: int) -> None:
    """Let BRAND (its code) keep rows of KIND for DAYS."""
    with transaction():
        brand_id = _brand_id(brand)
        keeping.keep(brand_id=brand_id, kind=kind, days=days)
        subject = ids.encode("brd", brand_id)
        audit.record(actor=ACTOR, action="privacy.retention_set", subject=subject, kind=kind, days=days)
    click.echo(f"{brand}: {kind} is kept {days} days")


@group.command("publish-policy")
@click.argument("brand")
@click.argument("version")
@click.argument("text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", default=None, help="Where shoppers read it.")
def publish_policy(brand: str, version: str, text: Path, url: str | None) -> None:
    """Publish VERSION of BRAND's privacy policy; the file TEXT is kept as its SHA-256."""
    digest = hashlib.sha256(text.read_bytes()).hexdigest()
    try:
        with transaction():
            brand_id = _brand_id(brand)
            privacy.publish_policy(brand_id=brand_id, version=version, digest=digest, url=url, valid_from=clock.now())
            told = {"version": version, "digest": digest}
            subject = ids.encode("brd", brand_id)
            audit.record(actor=ACTOR, action="privacy.policy_published", subject=subject, **told)
    except SiyuError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"{brand}: policy {version} sha256 {digest}")


@group.command("rotate-keys")
@click.option("--again", is_flag=True, help="Walk every column once more.")
@click.option("--progress", "only_progress", is_flag=True, help="Only say how far it is.")
def rotate_keys(again: bool, only_progress: bool) -> None:
    """Encrypt everything again with the first key of ENCRYPTION_KEYS; may be stopped and started at any time."""
    if again and not only_progress:
        with transaction():
            rekey.begin_again()
    more = not only_progress
    while more:
        with transaction():
            more = rekey.step()
    with transaction():
        lines = rekey.progress()
    for line in lines:
        state = "done" if line.finished else "to do"
        click.echo(f"{line.column:<36}{line.seen:>10} seen{line.changed:>10} changed  {state}")


def _brand_id(code: str) -> int:
    brand = org.brand_by_code(code)
    if brand is None:
        raise click.ClickException(f"there is no brand {code}")
    return brand.id
