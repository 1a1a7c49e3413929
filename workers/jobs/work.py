"""The one queue job: look at rows of a work table, claim each, and handle it.

A worker may be killed at any line. Before `take` commits nothing has happened; after it the lease ends and the sweep
makes the row due again; completion commits together with the effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core import context, log, work
from app.core.db import session
from app.core.errors import Retryable, SiyuError
from app.core.metrics import WORK
from app.core.transaction import transaction

from .tables import TABLES, Table

_log = log.get("work")


class LeaseLost(Exception):
    """Another worker has the row meanwhile: what this one did is rolled back."""


def perform(table_name: str, row_ids: Sequence[int]) -> None:
    """Handle rows of a work table one by one; a row that fails does not hold up the next."""
    table = TABLES[table_name]
    for row_id in row_ids:
        with transaction():
            row = work.take(table.model, row_id)
        if row is not None:
            with context.correlated(row.correlation_id, table.cause(row)):
                _perform(table, row)


def _perform(table: Table, row: Any) -> None:
    name = table.label(row)
    try:
        handler = table.handler(row)
        if isinstance(handler, work.Effect):
            _run_effect(table, handler, row)
        else:
            with transaction():
                handler(table.subject(row))
                _finish(row)
        WORK.labels(table.name, name, "done").inc()
    except LeaseLost:
        WORK.labels(table.name, name, "lease_lost").inc()
    except work.Waits as waits:
        with transaction():
            work.wait(row, waits)
        WORK.labels(table.name, name, "waiting").inc()
    except Exception as error:  # whatever went wrong, the row says so and the worker lives on
        final = isinstance(error, SiyuError) and not isinstance(error, Retryable)
        retry_after = error.retry_after if isinstance(error, Retryable) else None
        with transaction():
            work.fail(row, error, final=final, retry_after=retry_after)
        WORK.labels(table.name, name, "dead" if final else "retry").inc()
        _log.warning("work failed", table=table.name, row=row.id, handler=name, final=final, exc_info=error)
    finally:
        session.remove()


def _run_effect(table: Table, effect: work.Effect, row: Any) -> None:
    with transaction():
        request = effect.read(table.subject(row))
        if request is None:
            _finish(row)
            return
    try:
        answer = effect.call(request)
    except Retryable:
        if effect.release is not None:
            with transaction():
                if work.held(row):  # else the reservation is another worker's by now
                    effect.release(request)
        raise
    except SiyuError as error:
        answer = error
    with transaction():
        effect.record(request, answer)
        _finish(row)


def _finish(row: Any) -> None:
    if not work.finish(row):
        raise LeaseLost
