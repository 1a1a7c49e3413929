"""The relay's promises: nothing lost, nothing done twice, whatever dies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest
import time_machine
from invariants import broken
from sqlalchemy import func, select, text, update

from app.core import clock, context, inbox, outbox, work
from app.core.db import session
from app.core.errors import Invalid, Unavailable
from app.core.events import Event
from app.core.inbox import Inbox
from app.core.outbox import Delivery, Outbox
from app.core.transaction import transaction
from workers.jobs.work import perform
from workers.relay import sweep


@dataclass(frozen=True, kw_only=True)
class Happened(Event):
    name: ClassVar[str] = "test.happened"
    number: int


seen: list[int] = []


def _note(event: Happened) -> None:
    seen.append(event.number)


@pytest.fixture(autouse=True)
def wired(app):
    seen.clear()
    outbox.subscribe(Happened, "test.note", _note)


def _delivery_status() -> list[str]:
    return list(session.scalars(select(Delivery.status)))


def test_event_reaches_its_subscriber_once(app, run_work):
    with transaction():
        outbox.emit(Happened(brand_id=1, number=7))
    run_work()
    run_work()
    assert seen == [7]
    assert _delivery_status() == ["done"]


def test_event_of_a_rolled_back_transaction_never_leaves(app, run_work):
    with pytest.raises(Invalid), transaction():
        outbox.emit(Happened(brand_id=1, number=7))
        raise Invalid()
    run_work()
    assert seen == []
    assert session.scalar(select(func.count()).select_from(Outbox)) == 0


def test_delivery_carries_the_correlation_of_its_cause(app, run_work):
    with context.correlated("cor_test"), transaction():
        outbox.emit(Happened(brand_id=1, number=1))
    run_work()
    assert session.scalar(select(Delivery.correlation_id)) == "cor_test"


def test_doubled_job_is_handled_once(app):
    with transaction():
        outbox.emit(Happened(brand_id=1, number=3))
    with transaction():
        outbox.fan_out(10)
    with transaction():
        row_ids = work.due(Delivery, "default", 10)
    perform("delivery", row_ids)
    perform("delivery", row_ids)
    assert seen == [3]


def test_two_relays_never_claim_the_same_row(app):
    with transaction():
        for number in range(20):
            outbox.emit(Happened(brand_id=1, number=number))
    with transaction():
        outbox.fan_out(100)
    with transaction():
        first = work.due(Delivery, "default", 12)
    with transaction():
        second = work.due(Delivery, "default", 12)
    assert len(first) == 12 and len(second) == 8
    assert not set(first) & set(second)


def test_a_claim_keeps_its_limit_whatever_the_plan(app):
    """As `id IN (SELECT .. LIMIT n FOR UPDATE SKIP LOCKED)` the inner query runs again for each row in such a plan."""
    with transaction():
        for number in range(20):
            outbox.emit(Happened(brand_id=1, number=number))
    with transaction():
        outbox.fan_out(100)
    others = ("hashjoin", "mergejoin", "hashagg", "sort", "material")
    with transaction():
        for other in others:
            session.execute(text(f"SET LOCAL enable_{other} = off"))
        assert len(work.due(Delivery, "default", 12)) == 12
        again = text(
            "UPDATE delivery SET status = 'queued' WHERE id IN (SELECT id FROM delivery WHERE status = 'due'"
            " ORDER BY due_at LIMIT 2 FOR UPDATE SKIP LOCKED) RETURNING id"
        )
        taken = len(session.execute(again).all())
    assert taken > 2  # the twin: why the claim above is written as it is


def test_row_whose_worker_died_is_swept_and_done(app, run_work):
    with transaction():
        outbox.emit(Happened(brand_id=1, number=5))
    with transaction():
        outbox.fan_out(10)
    with transaction():
        (row_id,) = work.due(Delivery, "default", 10)
    with transaction():
        assert work.take(Delivery, row_id) is not None  # and here the worker is killed
    assert sweep() == 0
    with transaction():
        session.execute(update(Delivery).values(lease_until=clock.now() - timedelta(seconds=1)))
    assert sweep() == 1
    run_work()
    assert seen == [5]


def test_worker_that_lost_its_lease_leaves_no_effect(app):
    with transaction():
        outbox.emit(Happened(brand_id=1, number=5))
    with transaction():
        outbox.fan_out(10)
    with transaction():
        (row_id,) = work.due(Delivery, "default", 10)
    with transaction():
        slow = work.take(Delivery, row_id)
    with transaction():
        session.execute(update(Delivery).values(status="due", attempts=slow.attempts + 1))
    with transaction():
        assert work.finish(slow) is False


def test_retryable_error_comes_back_later_and_final_error_is_laid_aside(app, run_work):
    failures = iter([Unavailable(retry_after=30), Invalid()])

    def fail(event: Happened) -> None:
        raise next(failures)

    outbox.subscribe(Happened, "test.fail", fail)
    try:
        with transaction():
            outbox.emit(Happened(brand_id=1, number=1))
        run_work()
        row = session.scalars(select(Delivery).where(Delivery.subscriber == "test.fail")).one()
        assert (row.status, row.last_error) == ("due", "unavailable")
        assert row.due_at > clock.now() + timedelta(seconds=20)
        with transaction():
            session.execute(update(Delivery).where(Delivery.status == "due").values(due_at=clock.now()))
        run_work()
        row = session.scalars(select(Delivery).where(Delivery.subscriber == "test.fail")).one()
        assert (row.status, row.last_error) == ("dead", "invalid")
    finally:
        outbox._subscribers.pop("test.fail")


def test_what_waits_is_left_alone_until_it_is_woken(app, run_work):
    busy = {1, 2, 3}

    def wait(event: Happened) -> None:
        if event.number in busy:
            raise work.Waits("not_yet", 77)
        _note(event)

    outbox.subscribe(Happened, "test.wait", wait)
    try:
        with transaction():
            for number in (1, 2, 3):
                outbox.emit(Happened(brand_id=1, number=number))
        run_work()
        seen.clear()
        with time_machine.travel(clock.now() + timedelta(days=40)):
            sweep()
            run_work()
            mine = select(Delivery).where(Delivery.subscriber == "test.wait").order_by(Delivery.id)
            found = [(row.status, row.waits_for, row.last_error) for row in session.scalars(mine)]
            assert found == [("waiting", 77, "not_yet")] * 3 and seen == []
            assert broken("core.") == []
            busy -= {1, 2}
            with transaction():
                assert work.wake(Delivery, 76, limit=10) == 0
                assert work.wake(Delivery, 77, limit=2) == 2, "who came first"
            run_work()
            assert seen == [1, 2]
            with transaction():
                assert work.wake(Delivery, 77, limit=10) == 1
            run_work()
            found = [(row.status, row.waits_for) for row in session.scalars(mine)]
            assert found == [("done", None), ("done", None), ("waiting", 77)]
    finally:
        outbox._subscribers.pop("test.wait")


def test_same_message_from_outside_is_stored_once(app, run_work):
    handled: list[str] = []
    inbox.handle("test.message", lambda row: handled.append(row.key), queue="callbacks")
    try:
        results = [inbox.receive(source="t", key="k1", kind="test.message", payload={"a": "甲"}) for _ in range(3)]
        assert results == [True, False, False]
        run_work()
        assert handled == ["k1"]
    finally:
        inbox._handlers.pop("test.message")


def test_unknown_kind_is_stored_and_never_queued(app, run_work):
    inbox.receive(source="t", key="k1", kind="nobody.knows", payload={})
    assert run_work() == 0
    assert session.scalar(select(Inbox.kind)) == "nobody.knows"


def test_effect_records_a_final_refusal_and_repeats_a_passing_one(app, run_work):
    answers = iter([Unavailable(retry_after=60), Invalid("no")])
    recorded: list[object] = []

    def call(request: object) -> object:
        raise next(answers)

    effect = work.Effect(lambda event: event, call, lambda request, answer: recorded.append(answer))
    outbox.subscribe(Happened, "test.effect", effect)
    try:
        with transaction():
            outbox.emit(Happened(brand_id=1, number=1))
        run_work()
        assert recorded == []
        with transaction():
            session.execute(update(Delivery).where(Delivery.status == "due").values(due_at=clock.now()))
        run_work()
        assert isinstance(recorded[0], Invalid)
    finally:
        outbox._subscribers.pop("test.effect")


def test_an_outage_of_an_hour_lays_nothing_aside(app, run_work):
    def fail(event: Happened) -> None:
        raise Unavailable()

    outbox.subscribe(Happened, "test.fail", fail)
    try:
        with transaction():
            outbox.emit(Happened(brand_id=1, number=1))
        began, waited, tries = clock.now(), timedelta(), 0
        while waited < timedelta(hours=1):
            with time_machine.travel(began + waited, tick=False):
                run_work()
                row = session.scalars(select(Delivery).where(Delivery.subscriber == "test.fail")).one()
                assert row.status == "due"
                waited, tries = row.due_at - began, tries + 1
                assert waited < timedelta(seconds=5) or tries > 3  # soon at first: somebody may be waiting
            session.rollback()
        assert tries < work.MAX_RETRIES
    finally:
        outbox._subscribers.pop("test.fail")


def test_a_row_that_kills_every_worker_is_laid_aside(app):
    with transaction():
        outbox.emit(Happened(brand_id=1, number=5))
    with transaction():
        outbox.fan_out(10)
    ended = {"lease_until": clock.now() - timedelta(seconds=1)}
    with transaction():
        session.execute(update(Delivery).values(status="running", attempts=work.MAX_RETRIES, **ended))
    assert sweep() == 1
    row = session.scalars(select(Delivery)).one()
    assert (row.status, row.last_error) == ("dead", "worker_lost")


def test_a_worker_that_lost_its_lease_gives_no_reservation_back(app):
    released: list[object] = []

    def call(request: object) -> object:
        with transaction():  # the lease ends, and another worker takes the row
            taken = update(Delivery).values(attempts=Delivery.attempts + 1)
            session.execute(taken, execution_options={"synchronize_session": False})
        raise Unavailable()

    effect = work.Effect(lambda event: event, call, lambda request, answer: None, released.append)
    outbox.subscribe(Happened, "test.effect", effect)
    try:
        with transaction():
            outbox.emit(Happened(brand_id=1, number=1))
        with transaction():
            outbox.fan_out(10)
        row_id = session.scalar(select(Delivery.id).where(Delivery.subscriber == "test.effect"))
        session.rollback()
        perform("delivery", [row_id])
        assert released == []
        assert session.scalar(select(Delivery.status).where(Delivery.id == row_id)) == "running"
    finally:
        outbox._subscribers.pop("test.effect")
