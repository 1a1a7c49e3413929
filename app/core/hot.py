"""The hot path to PostgreSQL: one well-made statement on a pooled psycopg connection.

Measured against the ORM on the same statements, psycopg alone serves two to four times the rate, so claim, redeem and
callback intake speak to the database here. Every statement autocommits: what must be atomic is one statement (a CTE),
and there is no window in which a worker can die between two halves.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.rows import TupleRow
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import ConnectionPool, PoolTimeout

from .errors import Busy, ProgrammingError, Unavailable

_pool: ConnectionPool[_Connection] | None = None
_opening = threading.Lock()
_conninfo = ""
_size = 4
# Hot statements find rows by key. A plan that was made while a table was empty would scan it, and be kept.
OPTIONS = "-c lock_timeout=3000 -c enable_seqscan=off"
_BUSY = (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure)


def configure(conninfo: str, size: int) -> None:
    """Point the pool at a database. The pool opens at first use, so that a forked server opens one per process."""
    global _conninfo, _size
    close()
    _conninfo, _size = conninfo, size


def close() -> None:
    """Close the pool, if it is open."""
    global _pool
    if _pool is not None:
        _pool.close()
        _pool = None


def _connect() -> ConnectionPool[_Connection]:
    return _pool or _open()


def _open() -> ConnectionPool[_Connection]:
    global _pool
    with _opening:  # the first requests of a process come on several threads at once
        if _pool is None:
            if not _conninfo:
                raise ProgrammingError("the hot pool is not configured")
            _pool = ConnectionPool(
                _conninfo,
                connection_class=_Connection,
                min_size=1,
                max_size=_size,
                timeout=3,
                kwargs={"autocommit": True, "prepare_threshold": 1, "options": OPTIONS},
                configure=_prepare,
                open=True,
            )
        return _pool


class _Thread(threading.local):
    cursor: psycopg.Cursor[TupleRow] | None = None


_thread = _Thread()


class _Connection(psycopg.Connection[TupleRow]):
    """A connection with a cursor of its own: a new one would look its adapters up anew for every parameter."""

    kept: psycopg.Cursor[TupleRow]


def _prepare(connection: _Connection) -> None:
    """Send every integer as int8: by value psycopg would choose among three, and each mix of them is another statement
    to prepare."""
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.kept = connection.cursor()


def fetch_one(statement: str, parameters: Mapping[str, Any]) -> TupleRow | None:
    """Run one statement and return its first row, or None.

    Raises Busy when a lock is not had within three seconds, Unavailable when the database or the pool does not answer.
    Integrity errors come through as psycopg's, for the caller to name.
    """
    with _cursor() as cursor:
        return cursor.execute(statement, parameters).fetchone()


def fetch_all(statement: str, parameters: Mapping[str, Any]) -> list[TupleRow]:
    """Like `fetch_one`, for every row."""
    with _cursor() as cursor:
        return cursor.execute(statement, parameters).fetchall()


@contextmanager
def held() -> Iterator[None]:
    """Run the block's statements on one connection: two that follow each other find a warm server process."""
    if _thread.cursor is not None:
        yield
        return
    with _connection() as connection:
        _thread.cursor = connection.kept
        try:
            yield
        finally:
            _thread.cursor = None


@contextmanager
def _cursor() -> Iterator[psycopg.Cursor[TupleRow]]:
    try:
        if _thread.cursor is not None:
            yield _thread.cursor
        else:
            with _connection() as connection:
                yield connection.kept
    except _BUSY as error:
        raise Busy(retry_after=1) from error
    except psycopg.OperationalError as error:
        raise Unavailable("The database does not answer.", retry_after=2) from error


@contextmanager
def _connection() -> Iterator[_Connection]:
    pool = _connect()
    try:
        connection = pool.getconn()
    except PoolTimeout as error:
        raise Unavailable("The database does not answer.", retry_after=2) from error
    try:
        yield connection
    finally:
        pool.putconn(connection)  # which replaces a broken one; autocommit leaves nothing to roll back
