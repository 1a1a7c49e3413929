"""Running several pieces of work at the same moment, each on its own connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from app.core.db import session
from app.core.errors import SiyuError

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
