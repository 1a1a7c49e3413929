"""Running several pieces of work at the same moment, each on its own connections."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier
from typing import Any

import psycopg

from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import transaction

# How many connections of this database wait for a lock; other workers of the tests have databases of their own.
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def at_once(app: Any, works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run every work in a thread and application context of its own, all starting together.

    What each answered, in their order; a refusal is its code, any other error is raised.
    """
    start = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait(30)
        with app.app_context():
            try:
                return work()
            except SiyuError as refusal:
                return refusal.code
            finally:
                session.remove()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@contextmanager
def meanwhile(app: Any, work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run the work in a thread while the block is under way; by the block's end it waits for a lock, or is done."""
    found: list[Any] = []

    def go() -> None:
        with app.app_context():
            try:
                found.append(work())
            except SiyuError as refusal:
                found.append(refusal.code)
            finally:
                session.remove()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield found
    finally:
        thread.join(30)


def waiting() -> int:
    """How many other connections wait for a lock."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute(WAITING).fetchone()
    assert row is not None
    return int(row[0])


def until_waiting() -> None:
    """Until somebody waits for a lock, seen from outside: one transaction sees no server process that began after it
    first looked.
    """
    for _ in range(200):
        if waiting():
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def beside(app: Any, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """What the second hears, that came before the first was committed and had to wait for it."""
    with ExitStack() as stack:
        with transaction():
            first()
            found = stack.enter_context(meanwhile(app, second))
            until_waiting()
    return found
