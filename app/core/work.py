"""Work that must happen exactly once: claimed rows, leases, retries.

Three tables hold work (inbox, delivery, cron slot) and share the columns of `Work`. PostgreSQL is the truth; a queue
job only names rows to look at. A row goes

    due -> queued (the relay has put it on a queue) -> running (a worker holds its lease) -> done
                                                                                         -> due again, later
                                                                                         -> waiting, until it is woken
                                                                                         -> dead (needs a human)

and whoever loses the row (worker killed, Redis emptied, job doubled) loses nothing: when the lease ends the sweep
makes it due again, and a second job finds nothing to claim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, Index, SmallInteger, Text, and_, case, or_, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from . import clock
from .db import session
from .errors import SiyuError

QUEUES = ("callbacks", "messages", "default", "bulk")
# Callbacks have a customer waiting (a welcome code lives 20 s), so what a dead worker held comes back soon.
QUEUED_LEASE = {"callbacks": timedelta(seconds=4)}
RUNNING_LEASE = {"callbacks": timedelta(seconds=8), "bulk": timedelta(minutes=10)}
DEFAULT_QUEUED_LEASE = timedelta(seconds=20)
DEFAULT_RUNNING_LEASE = timedelta(seconds=45)
MAX_ATTEMPTS = 10
# Whoever says when to come back is down, not broken: asked again for some three and a half hours, which is longer than
# most outages and shorter than WeCom remembers a repeated message.
MAX_RETRIES = 20
MAX_BACKOFF = timedelta(minutes=30)


class Work:
    """Columns of a table whose rows are work. Mixed into a model with an `id` primary key."""

    queue: Mapped[str] = mapped_column(Text, default="default")
    status: Mapped[str] = mapped_column(Text, default="due")
    due_at: Mapped[datetime] = mapped_column(default=clock.now)
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    last_error: Mapped[str | None]
    done_at: Mapped[datetime | None]
    waits_for: Mapped[int | None]


class Waits(Exception):
    """Raised by a handler that can do nothing before something else has happened, to `what` (an id): the row is laid
    aside until that is woken. `code` says why.
    """

    def __init__(self, code: str, what: int) -> None:
        self.code, self.what = code, what
        super().__init__(f"{code}: {what}")


def work_indexes(table: str) -> tuple[Index, ...]:
    """The partial indexes that the relay, the sweep and `wake` read a work table by."""
    return (
        Index(f"ix_{table}_due", "queue", "due_at", postgresql_where=text("status = 'due'")),
        Index(f"ix_{table}_lease", "lease_until", postgresql_where=text("status IN ('queued', 'running')")),
        Index(f"ix_{table}_waiting", "waits_for", "id", postgresql_where=text("status = 'waiting'")),
    )


@dataclass(frozen=True)
class Effect:
    """A handler that must speak to the outside world.

    `read(subject)` runs in a transaction and returns what to ask for, or None when there is nothing to do; it also
    reserves the effect so that a crash afterwards is seen. `call(request)` runs with no transaction open.
    `record(request, answer)` runs in a transaction with the row's completion; `answer` is what `call` returned, or the
    SiyuError it raised when that error is final. `release(request)` runs in a transaction when `call` raised a
    Retryable, which promises that nothing happened outside: it gives the reservation back, so that the next try is
    not taken for the repetition of a call whose outcome nobody knows.
    """

    read: Callable[[Any], Any]
    call: Callable[[Any], Any]
    record: Callable[[Any, Any], None]
    release: Callable[[Any], None] | None = None


Handler = Callable[[Any], None] | Effect


def due(model: Any, queue: str, limit: int) -> list[int]:
    """Claim up to `limit` due rows of a queue for queueing and return their ids, oldest first."""
    moment = clock.now()
    candidates = (
        select(model.id)
        .where(model.status == "due", model.queue == queue, model.due_at <= moment)
        .order_by(model.due_at, model.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        # A CTE, because it runs once: a subquery the planner may run again for each row, past the limit.
        .cte("candidates")
    )
    statement = (
        update(model)
        # The condition stands on the outer UPDATE as well: a distributed engine may run the inner one twice.
        .where(model.id.in_(select(candidates.c.id)), model.status == "due")
        .values(status="queued", lease_until=moment + QUEUED_LEASE.get(queue, DEFAULT_QUEUED_LEASE))
        .returning(model.id)
    )
    return sorted(session.scalars(statement, execution_options={"synchronize_session": False}))


def take(model: Any, row_id: int) -> Any | None:
    """Take a row's running lease, or None when another worker has it or it is finished."""
    moment = clock.now()
    statement = (
        update(model)
        .where(model.id == row_id, model.status.in_(("due", "queued")))
        .values(status="running", attempts=model.attempts + 1, lease_until=moment + DEFAULT_RUNNING_LEASE)
        .returning(model)
    )
    row = session.scalars(statement, execution_options={"synchronize_session": False}).one_or_none()
    if row is not None and (other := RUNNING_LEASE.get(row.queue)):
        row.lease_until = moment + other
    return row


def finish(row: Any) -> bool:
    """Mark a running row done; False when the lease was lost to another worker meanwhile (roll back then)."""
    result = session.execute(
        update(type(row))
        .where(type(row).id == row.id, type(row).status == "running", type(row).attempts == row.attempts)
        .values(status="done", done_at=clock.now(), lease_until=None, last_error=None),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def fail(row: Any, error: Exception, *, final: bool, retry_after: float | None = None) -> None:
    """Put a running row back with a growing delay, or lay it aside as dead when trying again cannot help.

    `retry_after` is the least delay in seconds; with it the first tries follow soon, as a customer may be waiting.
    """
    dead = final or row.attempts >= (MAX_ATTEMPTS if retry_after is None else MAX_RETRIES)
    grown = min(timedelta(seconds=2 ** (row.attempts if retry_after is None else row.attempts - 3)), MAX_BACKOFF)
    delay = max(timedelta(seconds=retry_after or 0), grown)
    code = error.code if isinstance(error, SiyuError) else type(error).__name__
    session.execute(
        update(type(row))
        .where(type(row).id == row.id, type(row).status == "running", type(row).attempts == row.attempts)
        .values(status="dead" if dead else "due", due_at=clock.now() + delay, lease_until=None, last_error=code),
        execution_options={"synchronize_session": False},
    )


def wait(row: Any, waits: Waits) -> None:
    """Lay a running row aside until what it waits for is woken."""
    session.execute(
        update(type(row))
        .where(type(row).id == row.id, type(row).status == "running", type(row).attempts == row.attempts)
        .values(status="waiting", waits_for=waits.what, lease_until=None, last_error=waits.code),
        execution_options={"synchronize_session": False},
    )


def wake(model: Any, what: int, *, limit: int) -> int:
    """Make up to `limit` rows due that wait for something, who came first before the others. Returns how many.

    A row that is laid aside at this moment may be missed: whoever waits is woken again after a while.
    """
    candidates = (
        select(model.id)
        .where(model.status == "waiting", model.waits_for == what)
        .order_by(model.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("candidates")
    )
    result = session.execute(
        update(model)
        .where(model.id.in_(select(candidates.c.id)), model.status == "waiting")
        .values(status="due", waits_for=None, attempts=0, due_at=clock.now()),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


def held(row: Any) -> bool:
    """Whether the row is still this worker's; it then stays so until the transaction ends."""
    mine = (type(row).id == row.id, type(row).status == "running", type(row).attempts == row.attempts)
    return session.scalar(select(type(row).id).where(*mine).with_for_update()) is not None


def sweep(model: Any) -> int:
    """Make rows due again whose lease has ended: their worker or their queue entry is gone. Returns how many.

    A row that took its worker with it again and again is laid aside: it would take every worker there is.
    """
    moment = clock.now()
    deadly = and_(model.status == "running", model.attempts >= MAX_RETRIES)
    lost = and_(model.status.in_(("queued", "running")), or_(model.lease_until.is_(None), model.lease_until < moment))
    result = session.execute(
        update(model)
        .where(lost)
        .values(
            status=case((deadly, "dead"), else_="due"),
            last_error=case((deadly, "worker_lost"), else_=model.last_error),
            lease_until=None,
        ),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


def revive(model: Any, ids: Sequence[int]) -> int:
    """Make dead rows due again, at an operator's word. Returns how many."""
    result = session.execute(
        update(model)
        .where(model.id.in_(ids), model.status == "dead")
        .values(status="due", attempts=0, due_at=clock.now()),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
