"""Running several transactions at the same moment, each on its own connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from app.core import transaction
from app.core.db import session


def at_once(app: Any, works: list[Callable[[], Any]]) -> list[Any]:
    """Run every work in a transaction of its own thread, all starting together; what each answered or raised."""
    start = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        with app.app_context():
            start.wait()
            try:
                results[number] = transaction.run(works[number])
            except Exception as error:
                results[number] = error
            finally:
                session.remove()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results
