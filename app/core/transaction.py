"""The one place that commits.

`with transaction():` is opened by a route, a job or a command-line command and nowhere else. It does not nest. The
database's own refusals are translated here: a lock that is not had in three seconds is `Busy`, a lost connection is
`Unavailable`. Work that may be repeated as a whole uses `run`, which tries again after a deadlock or a
serialization failure.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from .db import session
from .errors import Busy, NotText, ProgrammingError, Unavailable

T = TypeVar("T")

_open: ContextVar[bool] = ContextVar("transaction_open", default=False)

LOCK_TIMEOUT_MS = 3000
_LIMIT_WAITING = text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
_LOCK_NOT_AVAILABLE = "55P03"
_RETRYABLE = {"40P01", "40001"}  # deadlock detected, serialization failure
# NUL in a text is refused by the driver (which has no state), in JSON by the server.
_NOT_TEXT = {None, "22021", "22P05"}


def is_open() -> bool:
    """Whether the present thread of work is inside a transaction; the network refuses to be used while it is."""
    return _open.get()


@contextmanager
def transaction() -> Iterator[None]:
    """Run a block as one database transaction: commit at its end, roll back on any exception."""
    if _open.get():
        raise ProgrammingError("transaction() does not nest")
    token = _open.set(True)
    try:
        session.execute(_LIMIT_WAITING)
        yield
        session.commit()
    except (DBAPIError, psycopg.Error) as error:  # bulk writes speak to the driver itself, and so do its refusals
        session.rollback()
        raise translated(error) from error
    except BaseException:
        session.rollback()
        raise
    finally:
        _open.reset(token)


@contextmanager
def reading() -> Iterator[None]:
    """Read outside a transaction and keep no connection afterwards, so that a network call may follow.

    Inside an open transaction this does nothing. Objects read here stay readable, detached.
    """
    yield
    if not _open.get():
        session.close()


def run(work: Callable[[], T], *, tries: int = 3) -> T:
    """Run `work` in a transaction, again from its start after a deadlock or serialization failure."""
    for attempt in range(1, tries + 1):
        try:
            with transaction():
                return work()
        except Busy as error:
            if attempt == tries or sqlstate(error.__cause__) not in _RETRYABLE:
                raise
            time.sleep(random.uniform(0, 0.05 * attempt))
    raise AssertionError("unreachable")


def sqlstate(error: BaseException | None) -> str | None:
    """The five-character SQLSTATE behind a SQLAlchemy or psycopg error."""
    return getattr(getattr(error, "orig", error), "sqlstate", None)


def translated(error: DBAPIError | psycopg.Error) -> Exception:
    """What a refusal of the database means to whoever asked; the error itself when it is a bug."""
    state, raw = sqlstate(error), getattr(error, "orig", error)
    if state == _LOCK_NOT_AVAILABLE or state in _RETRYABLE:
        return Busy(retry_after=1)
    if isinstance(raw, psycopg.DataError) and state in _NOT_TEXT:
        return NotText()
    lost = isinstance(raw, psycopg.InterfaceError | psycopg.OperationalError) and state is None
    if lost or getattr(error, "connection_invalidated", False) or (state or "").startswith(("08", "57P")):
        return Unavailable("The database does not answer.", retry_after=2)
    return error
