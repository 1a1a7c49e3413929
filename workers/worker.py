"""A queue worker: `python -m workers.worker QUEUE`. One queue a process: a worker on two queues can lose a job.

Short jobs run in the worker itself (4 ms of CPU a job); `bulk` forks, so that a chunk that eats memory or dies takes
nothing with it. A reaper looks at the started jobs every ten seconds, because a worker that waits on a quiet queue
would not notice a dead sister for minutes.
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import Any

from redis.exceptions import RedisError
from rq import SimpleWorker, Worker
from rq.job import Job
from rq.queue import Queue
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from app.core import log, queue, redis
from app.core.db import db
from app.core.work import QUEUES

from .application import app

WORKER_TTL = 25
REAP_SECONDS = 10


class InContext:
    """Runs each job inside the application's context."""

    def perform_job(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> bool:
        with app.app_context():
            return super().perform_job(job, queue, *args, **kwargs)  # type: ignore[misc]


class ShortJobs(InContext, SimpleWorker):
    """Runs jobs in its own process."""


class ForkedJobs(InContext, Worker):
    """Runs each job in a fork."""

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        # Connections of the parent must not be used by the child.
        with app.app_context():
            db.engine.dispose(close=False)
        super().main_work_horse(job, queue)


def _reap(queue_name: str) -> None:
    while True:
        time.sleep(REAP_SECONDS)
        try:
            StartedJobRegistry(queue_name, connection=redis.connection(), serializer=JSONSerializer).cleanup()
        except RedisError as error:
            log.get("worker").warning("reaper", exc_info=error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("queue", choices=QUEUES)
    name = parser.parse_args().queue
    threading.Thread(target=_reap, args=(name,), daemon=True).start()
    kind = ForkedJobs if name == "bulk" else ShortJobs
    worker = kind(
        [queue.queue(name)],
        connection=redis.connection(),
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL,
        maintenance_interval=REAP_SECONDS,
        log_job_description=False,
    )
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
