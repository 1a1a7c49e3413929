"""`flask doctor`: is everything that must be true still true?"""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.core import audit, crypto
from app.core.transaction import transaction
from app.flows import doctor, rekey
from app.flows.callbacks import seen

group = AppGroup("doctor", help="Look for what must never be.")


@group.command("invariants")
@click.option("--only", default="", help="Run only rules whose name begins with this, for example coupons.")
def invariants(only: str) -> None:
    """Run every invariant; ends with 1 when a row breaks one."""
    with transaction():
        findings = doctor.examine(only)
    if not only:
        doctor.publish(findings)
    for finding in findings:
        click.echo(f"{finding.name:<56}{finding.count:>8}")
        for row in finding.rows:
            click.echo(f"    {row}")
    broken = sum(finding.count > 0 for finding in findings)
    click.echo(f"{len(findings)} invariants, {broken} broken")
    if broken:
        raise SystemExit(1)


@group.command("audit")
def audit_chain() -> None:
    """Recompute the audit log's chain of hashes; ends with 1 when a link is broken. Keep the newest hash elsewhere:
    rows taken away at the end break no link."""
    with transaction():
        broken, (count, newest) = audit.broken_links(), audit.end()
    for row_id in broken:
        click.echo(f"audit_log {row_id}: the hash does not follow from the row and the one before")
    click.echo(f"audit log: {count} rows, {len(broken)} broken links, newest {newest.hex()}")
    if broken:
        raise SystemExit(1)


@group.command("callbacks")
def callbacks() -> None:
    """Which kinds of callback came, how many, and whether anything handles them."""
    with transaction():
        found = seen.kinds()
    for one in found:
        state = f"{one.waiting} waiting, {one.dead} dead" if one.waiting or one.dead else ""
        click.echo(f"{one.kind:<60}{one.count:>9}  {one.use:<9}{one.last_at:%Y-%m-%d %H:%M}  {state}".rstrip())
    click.echo(f"{len(found)} kinds, {sum(one.use == 'unknown' for one in found)} unknown")


@group.command("keys")
def keys() -> None:
    """Which encryption keys are in use, and which may be dropped; ends with 1 when one is missing."""
    used: dict[str, int] = {}
    missing = 0
    with transaction():
        for use in rekey.uses():
            used[use.key_id] = used.get(use.key_id, 0) + use.values
            missing += not use.known
            click.echo(f"{use.column:<36}{use.key_id:<12}{use.values:>10}{'' if use.known else '  THE KEY IS MISSING'}")
    current = crypto.current_key()
    for key_id in sorted(crypto.known_keys()):
        state = "encrypts" if key_id == current else "must stay" if key_id in used else "may be dropped"
        click.echo(f"key {key_id}: {used.get(key_id, 0)} values, {state}")
    if missing:
        raise SystemExit(1)


@group.command("work")
@click.option("--revive", multiple=True, metavar="TABLE:ID", help="Make a dead row due again; may be repeated.")
def work(revive: tuple[str, ...]) -> None:
    """Show work that waits and work that was laid aside; ends with 1 when a row is dead."""
    for spelled in revive:
        table, _, row_id = spelled.partition(":")
        if not row_id.isdigit():
            raise click.BadParameter(f"{spelled} is not TABLE:ID", param_hint="--revive")
        with transaction():
            revived = doctor.revive_dead(table, [int(row_id)])
        click.echo(f"{spelled}: {'due again' if revived else 'not a dead row'}")
    with transaction():
        lines, dead = doctor.waiting(), doctor.dead()
    for line in lines:
        since = f"  since {line.oldest.isoformat(timespec='seconds')}" if line.oldest else ""
        click.echo(f"{line.table:<10}{line.status:<10}{line.count:>8}{since}")
    for row in dead:
        click.echo(
            f"dead {row.table}:{row.id} {row.label} after {row.attempts} tries: {row.error} {row.correlation_id}"
        )
    if dead:
        raise SystemExit(1)
