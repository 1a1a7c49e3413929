"""RQ queues. A job carries ids only, as JSON, and a lost job loses nothing: the rows it names become due again."""

from __future__ import annotations

from collections.abc import Sequence

from rq import Queue, Retry
from rq.serializers import JSONSerializer

from . import redis

JOB = "workers.jobs.work.perform"
JOB_TIMEOUT = {"bulk": 600}


def queue(name: str) -> Queue:
    return Queue(name, connection=redis.connection(), serializer=JSONSerializer)


def enqueue(queue_name: str, table: str, row_ids: Sequence[int]) -> None:
    """Wake a worker for rows of a work table."""
    queue(queue_name).enqueue(
        JOB,
        table,
        list(row_ids),
        job_timeout=JOB_TIMEOUT.get(queue_name, 120),
        retry=Retry(max=2, interval=1),
        result_ttl=0,
        failure_ttl=3600,
    )


def depth(queue_name: str) -> int:
    """How many jobs wait on a queue."""
    return int(queue(queue_name).count)
