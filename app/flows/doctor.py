"""Self-examination: the invariants of every domain, the work that waits, and what may be forgotten."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import CursorResult, delete, func, select, text

from app.core import clock, context, metrics, redis
from app.core.db import session
from app.core.errors import Invalid
from app.core.idempotency import IdempotencyKey
from app.core.inbox import Inbox
from app.core.outbox import Delivery, Outbox
from app.core.slots import Slot
from app.core.work import revive

KEEP_WORK = timedelta(days=60)
KEEP_OUTBOX = timedelta(days=180)
KEEP_IDEMPOTENCY_KEYS = timedelta(days=30)
FORGET_CHUNK = 10_000
_FINDINGS = "siyu:doctor:invariants"
_UNFINISHED = ("due", "queued", "running", "waiting", "dead")
_TABLES: dict[str, Any] = {"inbox": Inbox, "delivery": Delivery, "slot": Slot}


def _collect() -> dict[str, str]:
    """`domain.rule` -> statement, from the `invariants.py` of every package that has one: none can be left out."""
    found: dict[str, str] = {}
    root = Path(__file__).parent.parent
    for package in pkgutil.iter_modules([str(root)]):
        modules = pkgutil.iter_modules([str(root / package.name)]) if package.ispkg else ()
        if any(module.name == "invariants" for module in modules):
            rules: dict[str, str] = importlib.import_module(f"app.{package.name}.invariants").INVARIANTS
            found |= {f"{package.name}.{name}": statement for name, statement in rules.items()}
    return found


STATEMENTS: Mapping[str, str] = _collect()


@dataclass(frozen=True)
class Finding:
    """One rule's result: how many rows break it, and the first few of them as text."""

    name: str
    count: int
    rows: tuple[str, ...]


def examine(only: str = "") -> list[Finding]:
    """Run every invariant whose name begins with `only`; each is one statement and so sees one snapshot."""
    findings = []
    for name, statement in STATEMENTS.items():
        if not name.startswith(only):
            continue
        rows = session.execute(
            text(f"SELECT count(*) OVER () AS breaches, broken.* FROM ({statement}) AS broken LIMIT 5")
        )
        broken = rows.mappings().all()
        shown = tuple(", ".join(f"{key}={row[key]}" for key in row if key != "breaches") for row in broken)
        findings.append(Finding(name, broken[0]["breaches"] if broken else 0, shown))
    return findings


def publish(findings: Sequence[Finding]) -> None:
    """Keep the counts where every web process finds them for /metrics."""
    redis.connection().set(_FINDINGS, json.dumps({finding.name: finding.count for finding in findings}))


def export_gauges() -> None:
    """Set the gauges of the last examination and of waiting work; called when someone asks for metrics."""
    try:
        stored = redis.connection().get(_FINDINGS)
    except RedisError:
        stored = None  # what is left of the metrics matters most just then
    for name, count in (json.loads(stored) if stored else {}).items():
        metrics.INVARIANT_BREACHES.labels(name).set(count)
    for line in waiting():
        metrics.WORK_WAITING.labels(line.table, line.status).set(line.count)


@dataclass(frozen=True)
class Waiting:
    """Unfinished rows of one work table in one status; `oldest` is when the first of them came due."""

    table: str
    status: str
    count: int
    oldest: datetime | None


def waiting() -> list[Waiting]:
    """What is not done yet, by table and status; a status without rows is reported with zero."""
    lines = []
    for name, model in _TABLES.items():
        rows = session.execute(
            select(model.status, func.count(), func.min(model.due_at))
            .where(model.status.in_(_UNFINISHED))
            .group_by(model.status)
        )
        found = {status: (count, oldest) for status, count, oldest in rows}
        lines += [Waiting(name, status, *found.get(status, (0, None))) for status in _UNFINISHED]
    return lines


@dataclass(frozen=True)
class Dead:
    """A row of work that was laid aside: what it was for, why it failed, and the journey it belongs to."""

    table: str
    id: int
    label: str
    error: str | None
    attempts: int
    correlation_id: str


def dead(limit: int = 50) -> list[Dead]:
    """Rows that need a human, newest first."""
    found = []
    labels = {"inbox": Inbox.kind, "delivery": Delivery.subscriber, "slot": Slot.task}
    for name, model in _TABLES.items():
        rows = session.execute(
            select(model.id, labels[name], model.last_error, model.attempts, model.correlation_id)
            .where(model.status == "dead")
            .order_by(model.id.desc())
            .limit(limit)
        )
        found += [Dead(name, *row) for row in rows]
    return found


def revive_dead(table: str, row_ids: Sequence[int]) -> int:
    """Give dead rows of `inbox`, `delivery` or `slot` another life. Returns how many were dead."""
    if table not in _TABLES:
        raise Invalid(f"there is no work table {table}")
    return revive(_TABLES[table], row_ids)


def nightly(slot: Slot) -> None:
    """Slot core.invariants: examine everything and publish the counts; a breach is for the alarm on the gauge."""
    publish(examine())


def forget(slot: Slot) -> None:
    """Slot core.forget: delete finished work, old events and old idempotency keys, one bounded chunk of each.

    A full chunk means that more is left, so another slot follows at once.
    """
    moment = clock.now()
    full = [
        _delete(model, (model.status == "done") & (model.due_at < moment - KEEP_WORK)) for model in _TABLES.values()
    ]
    undelivered = select(Delivery.outbox_id).where(Delivery.outbox_id == Outbox.id).exists()
    full.append(_delete(Outbox, (Outbox.created_at < moment - KEEP_OUTBOX) & ~undelivered))
    full.append(_delete(IdempotencyKey, IdempotencyKey.created_at < moment - KEEP_IDEMPOTENCY_KEYS))
    if any(full):
        session.add(Slot(task=slot.task, at=moment, queue=slot.queue, correlation_id=context.correlation_id()))


def _delete(model: Any, condition: Any) -> bool:
    """Delete up to a chunk of rows; whether it was a full one."""
    key = list(model.__table__.primary_key.columns)
    victims = select(*key).where(condition).order_by(*key).limit(FORGET_CHUNK).subquery()
    result = session.execute(
        delete(model).where(condition, *[column == victims.c[column.name] for column in key]),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == FORGET_CHUNK
