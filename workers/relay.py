"""The relay: fans events out, puts due work on queues, sweeps up what was lost.

Any number of relays may run; rows are claimed with SKIP LOCKED. A queue is kept short (the rest waits in PostgreSQL,
where it can be seen and is not lost), so emptying Redis costs at most one lease.
"""

from __future__ import annotations

import signal
import time

from redis.exceptions import RedisError

from app.core import clock, hot, log, outbox, queue, work
from app.core.errors import SiyuError
from app.core.transaction import transaction
from workers.jobs.tables import TABLES

from .application import app

IDLE_SECONDS = 0.1
SWEEP_SECONDS = 2.0
FAN_OUT = 500
PER_JOB = 5
JOBS_PER_QUEUE = 8

_log = log.get("relay")


# One cheap look decides whether there is anything to claim: a relay that waits costs next to nothing.
_WAITING = "SELECT 'outbox', '' WHERE EXISTS (SELECT FROM outbox WHERE fanned_out_at IS NULL)" + "".join(
    f"""
    UNION ALL SELECT '{name}', queue FROM unnest(%(queues)s::text[]) AS queue WHERE EXISTS (
      SELECT FROM {name} WHERE status = 'due' AND {name}.queue = queue.queue AND due_at <= %(now)s
    )"""
    for name in TABLES
)


def step() -> int:
    """One round: fan out, then queue what is due while the queues are short. Returns how many rows moved."""
    waiting = set(hot.fetch_all(_WAITING, {"queues": list(work.QUEUES), "now": clock.now()}))
    moved = 0
    if ("outbox", "") in waiting:
        with transaction():
            moved += outbox.fan_out(FAN_OUT)
    for queue_name in work.QUEUES:
        tables = [table for name, table in TABLES.items() if (name, queue_name) in waiting]
        room = JOBS_PER_QUEUE - queue.depth(queue_name) if tables else 0
        for table in tables:
            if room <= 0:
                break
            with transaction():
                row_ids = work.due(table.model, queue_name, room * PER_JOB)
            for start in range(0, len(row_ids), PER_JOB):
                queue.enqueue(queue_name, table.name, row_ids[start : start + PER_JOB])
                room -= 1
            moved += len(row_ids)
    return moved


def sweep() -> int:
    """Make lost rows due again in every work table."""
    with transaction():
        return sum(work.sweep(table.model) for table in TABLES.values())


def main() -> None:
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    swept = 0.0
    while running:
        try:
            with app.app_context():
                moved = step()
                if time.monotonic() - swept > SWEEP_SECONDS:
                    swept = time.monotonic()
                    if lost := sweep():
                        _log.info("swept", rows=lost)
        except (SiyuError, RedisError) as error:
            _log.warning("relay round failed", exc_info=error)
            time.sleep(1)
            continue
        if not moved:
            time.sleep(IDLE_SECONDS)


if __name__ == "__main__":
    main()
