"""Relay, queue and a real worker together: killed, emptied, doubled, the outcome is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest
from rq.serializers import JSONSerializer
from sqlalchemy import func, select, update

from app.core import clock, outbox, queue
from app.core.db import session
from app.core.events import Event
from app.core.outbox import Delivery
from app.core.transaction import transaction
from workers import relay
from workers.worker import ShortJobs


@dataclass(frozen=True, kw_only=True)
class Rang(Event):
    name: ClassVar[str] = "test.rang"
    number: int


heard: list[int] = []


@pytest.fixture(autouse=True)
def wired(app) -> Iterator[None]:
    heard.clear()
    outbox.subscribe(Rang, "test.hear", lambda event: heard.append(event.number))
    yield
    outbox._subscribers.pop("test.hear")


def ring(count: int) -> None:
    with transaction():
        for number in range(count):
            outbox.emit(Rang(brand_id=1, number=number))


def work_off(redis) -> None:
    worker = ShortJobs([queue.queue("default")], connection=redis, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="ERROR")


def turn() -> None:
    while relay.step():
        pass


def undone() -> int:
    return session.scalar(select(func.count()).select_from(Delivery).where(Delivery.status != "done")) or 0


def lose_leases() -> None:
    with transaction():
        session.execute(
            update(Delivery)
            .where(Delivery.status.in_(("queued", "running")))
            .values(lease_until=clock.now() - timedelta(seconds=1))
        )
    relay.sweep()


def test_events_travel_through_the_queue_to_a_worker(app, redis):
    ring(12)
    turn()
    work_off(redis)
    assert sorted(heard) == list(range(12)) and undone() == 0


def test_an_emptied_redis_loses_nothing(app, redis):
    ring(12)
    turn()
    redis.flushdb()
    work_off(redis)
    assert heard == [] and undone() == 12
    lose_leases()
    turn()
    work_off(redis)
    assert sorted(heard) == list(range(12)) and undone() == 0


def test_rows_queued_twice_are_handled_once(app, redis):
    ring(12)
    turn()
    lose_leases()
    turn()
    work_off(redis)
    assert sorted(heard) == list(range(12))


def test_a_queue_is_kept_short_and_the_rest_waits_in_the_database(app, redis):
    ring(200)
    turn()
    assert queue.depth("default") == relay.JOBS_PER_QUEUE
    waiting = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.status == "due"))
    assert waiting == 200 - relay.JOBS_PER_QUEUE * relay.PER_JOB
    for _ in range(10):
        work_off(redis)
        turn()
    assert sorted(heard) == list(range(200))
