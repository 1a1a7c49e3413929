"""Starting, confirming and ending runs; how they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.core import audit, clock, context, ids, metrics
from app.core.db import session
from app.core.outbox import Delivery
from app.core.slots import Slot
from app.org import queries as org
from app.org.models import PlatformAccount

from ..accounts import AccountMissing
from . import turn
from .errors import SyncNotWaiting, SyncRunning, SyncRunUnknown
from .models import SyncDrift, SyncItem, SyncRun, SyncSeen
from .steps import STEPS

GOING = ("running", "waiting")
# A run that waits for a word that does not come must not stop reconciliation for good.
WAITS = timedelta(hours=24)
# An incremental run reads what had news since the run before it began, and a little more.
OVERLAP = timedelta(minutes=10)
REACH_BACK = timedelta(days=2)
KEPT = timedelta(days=30)


def start(*, brand_id: int, kind: str, by: str) -> SyncRun:
    """Begin a run for the brand's corp; raises SyncRunning while one is under way, AccountMissing without a corp."""
    account = org.account(brand_id, "wecom")
    if account is None:
        raise AccountMissing(kind="wecom")
    run = _begin(account, kind, by)
    if run is None:
        raise SyncRunning()
    audit.record(actor=by, action="sync.started", subject=ids.encode("syn", run.run_id), brand_id=brand_id)
    return run


def confirm(*, brand_id: int, run_id: int, by: str) -> SyncRun:
    """Say that what is gone is gone: a waiting run goes on and puts its losses right."""
    run = _held(brand_id, run_id)
    if run.status != "waiting":
        raise SyncNotWaiting()
    run.status, run.confirmed = "running", True
    run.turn += 1
    turn.advance(run)
    audit.record(actor=by, action="sync.confirmed", subject=ids.encode("syn", run_id), brand_id=brand_id)
    return run


def cancel(*, brand_id: int, run_id: int, by: str) -> SyncRun:
    """End a run where it stands. What it has put right stays; its losses are not believed."""
    run = _held(brand_id, run_id)
    if run.status in GOING:
        _end(run, "cancelled")
        audit.record(actor=by, action="sync.cancelled", subject=ids.encode("syn", run_id), brand_id=brand_id)
    return run


def nightly(slot: Slot) -> None:
    """Read everything of every corp; forget runs of long ago."""
    gone = select(SyncRun.run_id).where(SyncRun.finished_at < clock.now() - KEPT)
    for table in (SyncItem, SyncSeen, SyncDrift, SyncRun):
        session.execute(delete(table).where(table.run_id.in_(gone)), execution_options={"synchronize_session": False})
    _begin_all("full")


def frequently(slot: Slot) -> None:
    """Read again what had news, where some of it may have been lost."""
    _begin_all("incremental")


def runs(brand_id: int, *, before: int | None = None, limit: int = 20) -> list[SyncRun]:
    """A brand's runs, newest first; those older than the run `before`."""
    found = select(SyncRun).where(SyncRun.brand_id == brand_id)
    if before is not None:
        found = found.where(SyncRun.run_id < before)
    return list(session.scalars(found.order_by(SyncRun.run_id.desc()).limit(limit)))


def run_of(brand_id: int, run_id: int) -> SyncRun:
    """One run; SyncRunUnknown."""
    run = session.scalar(
        select(SyncRun)
        .where(SyncRun.brand_id == brand_id, SyncRun.run_id == run_id)
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise SyncRunUnknown()
    return run


def progress(run_ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """How many things each run has read, of how many it knows of, and how many could not be read."""
    done = func.count().filter(SyncItem.status.in_(("done", "skipped")))
    skipped = func.count().filter(SyncItem.status == "skipped")
    rows = session.execute(
        select(SyncItem.run_id, done, func.count(), skipped)
        .where(SyncItem.run_id.in_(run_ids))
        .group_by(SyncItem.run_id)
    )
    return {run_id: (read, all_, left_out) for run_id, read, all_, left_out in rows}


def drift(brand_id: int, run_id: int, *, after: int = 0, limit: int = 50) -> list[SyncDrift]:
    """The differences of a run in the order they were found."""
    found = select(SyncDrift).where(
        SyncDrift.brand_id == brand_id, SyncDrift.run_id == run_id, SyncDrift.drift_id > after
    )
    return list(session.scalars(found.order_by(SyncDrift.drift_id).limit(limit)))


def export_gauges() -> None:
    """Set the gauge of differences that each corp's newest full run found; called when someone asks for metrics."""
    newest = (
        select(func.max(SyncRun.run_id))
        .where(SyncRun.kind == "full", SyncRun.status == "done")
        .group_by(SyncRun.corp_id)
    )
    found: Counter[tuple[str, str]] = Counter()
    for counts in session.scalars(select(SyncRun.counts).where(SyncRun.run_id.in_(newest))):
        for thing, counted in counts.items():
            found.update({(thing, change): int(counted.get(change, 0)) for change in ("added", "changed", "lost")})
    for (thing, change), number in found.items():
        metrics.SYNC_DRIFT.labels(thing, change).set(number)


def _begin_all(kind: str) -> None:
    accounts = select(PlatformAccount).where(PlatformAccount.kind == "wecom").order_by(PlatformAccount.id)
    for account in session.scalars(accounts).all():
        _make_room(account.namespace, kind)
        _begin(account, kind, "schedule")


def _begin(account: PlatformAccount, kind: str, by: str) -> SyncRun | None:
    """A new run at its first step; None while another one of the corp is under way."""
    moment = clock.now()
    run_id = session.scalar(
        insert(SyncRun)
        .values(
            run_id=ids.new_id(),
            brand_id=account.brand_id,
            corp_id=account.namespace,
            kind=kind,
            status="running",
            step=STEPS[0].name,
            turn=0,
            counts={},
            confirmed=False,
            since=_since(account.namespace, moment),
            started_at=moment,
            moved_at=moment,
            started_by=by,
            correlation_id=context.new_correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(SyncRun.run_id)
    )
    if run_id is None:
        return None
    run = session.get_one(SyncRun, run_id)
    turn.enter(run, STEPS[0])
    turn.advance(run)
    return run


def _since(corp_id: str, moment: datetime) -> datetime:
    last = session.scalar(
        select(func.max(SyncRun.started_at)).where(SyncRun.corp_id == corp_id, SyncRun.status == "done")
    )
    return max(last - OVERLAP, moment - REACH_BACK) if last is not None else moment - REACH_BACK


def _make_room(corp_id: str, kind: str) -> None:
    """End a run nobody confirmed for a day, one whose delivery was laid aside, and a partial one a full one covers."""
    run = session.scalar(
        select(SyncRun)
        .where(SyncRun.corp_id == corp_id, SyncRun.status.in_(GOING))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if run is None:
        return
    if run.status == "waiting":
        if run.moved_at < clock.now() - WAITS:
            _end(run, "cancelled", "losses_not_confirmed")
        return
    error = session.execute(
        select(Delivery.last_error).where(Delivery.outbox_id == run.outbox_id, Delivery.status == "dead")
    ).one_or_none()
    if error is not None:
        _end(run, "failed", error.last_error or "dead")
    elif kind == "full" and run.kind == "incremental":
        _end(run, "cancelled", "superseded")


def _end(run: SyncRun, status: str, error: str | None = None) -> None:
    run.status, run.error, run.finished_at = status, error, clock.now()
    session.flush()


def _held(brand_id: int, run_id: int) -> SyncRun:
    run = session.scalar(
        select(SyncRun)
        .where(SyncRun.brand_id == brand_id, SyncRun.run_id == run_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise SyncRunUnknown()
    return run
