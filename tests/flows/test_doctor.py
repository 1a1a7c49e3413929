"""Doctor: a rule that is broken is named, work is counted, and forgetting is bounded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from app.core import clock, ids, metrics
from app.core.db import session
from app.core.idempotency import IdempotencyKey
from app.core.inbox import Inbox
from app.core.outbox import Delivery, Outbox
from app.core.slots import Slot
from app.core.transaction import transaction
from app.flows import doctor


def _inbox(**given: object) -> Inbox:
    return Inbox(
        source="test", key=str(ids.new_id()), kind="test", payload={}, correlation_id="cor_test", **given
    )


def test_every_statement_runs_and_finds_nothing_on_an_empty_database(app) -> None:
    with transaction():
        findings = doctor.examine()
    assert {finding.name.split(".")[0] for finding in findings} >= {"core"}
    assert [finding for finding in findings if finding.count] == []


def test_a_broken_rule_is_named_with_its_rows(app) -> None:
    with transaction():
        session.add_all([_inbox(status="dead"), _inbox(status="due", lease_until=clock.now())])
    with transaction():
        found = {finding.name: finding for finding in doctor.examine("core.") if finding.count}
    assert found.keys() == {"core.work_dead_says_why", "core.work_lease_only_while_held"}
    assert "kind=inbox" in found["core.work_dead_says_why"].rows[0]


def test_the_nightly_run_sets_the_gauges(app, client) -> None:
    with transaction():
        session.add(_inbox(status="dead"))
    with transaction():
        doctor.nightly(Slot(task="core.invariants", at=clock.now(), correlation_id="cor_test"))
    with transaction():
        doctor.export_gauges()
    assert metrics.INVARIANT_BREACHES.labels("core.work_dead_says_why")._value.get() == 1
    assert metrics.WORK_WAITING.labels("inbox", "dead")._value.get() == 1
    assert 'siyu_work_waiting{status="dead",table="inbox"} 1.0' in client.get("/metrics").text


def test_dead_work_is_listed_and_revived(app, run_work) -> None:
    row = _inbox(status="dead", last_error="boom", attempts=3)
    with transaction():
        session.add(row)
    with transaction():
        assert [(one.table, one.id, one.error) for one in doctor.dead()] == [("inbox", row.id, "boom")]
        assert doctor.revive_dead("inbox", [row.id]) == 1
    with transaction():
        assert doctor.dead() == []


@pytest.mark.parametrize("left_over", [0, 3])
def test_forgetting_is_bounded_and_goes_on(app, monkeypatch, left_over) -> None:
    monkeypatch.setattr(doctor, "FORGET_CHUNK", 5)
    old = clock.now() - timedelta(days=365)
    count = 4 if not left_over else 5 + left_over
    event_ids = ids.new_ids(count)
    with transaction():
        session.add(_inbox(status="done", due_at=clock.now()))
        session.add(_inbox(status="dead", due_at=old, last_error="kept"))
        session.add_all([_inbox(status="done", due_at=old) for _ in range(count)])
        session.add_all(
            IdempotencyKey(
                scope="s", key=f"key-{n:08}", request_hash=b"", answer={}, correlation_id="cor_test", created_at=old
            )
            for n in range(count)
        )
        session.add_all(
            Outbox(
                id=event_id, name="x.y", payload={}, brand_id=1, correlation_id="cor_test", created_at=old,
                fanned_out_at=old,
            )
            for event_id in event_ids
        )  # fmt: skip
        session.add(
            Delivery(outbox_id=event_ids[0], subscriber="s", correlation_id="cor_test", status="dead", last_error="x")
        )
    slot = Slot(task="core.forget", at=clock.now() - timedelta(minutes=1), queue="bulk", correlation_id="cor_test")
    with transaction():
        session.add(slot)
    with transaction():
        doctor.forget(slot)
    assert session.scalar(select(func.count()).select_from(Inbox)) == 2 + left_over
    assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == left_over
    assert session.scalar(select(func.count()).select_from(Outbox)) == 1 + max(0, count - 1 - 5)
    assert session.scalar(text("SELECT count(*) FROM slot")) == (2 if left_over else 1)
