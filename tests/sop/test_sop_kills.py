"""Workers that die between the halves of a notice, and guides who press twice at the same moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import time_machine
from at_once import at_once
from factories import World
from people import make_member
from sqlalchemy import select
from tencent import Tencent

from app.channels.models import Outbound
from app.core import context, outbox, work
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import queries as coupons
from app.flows import guide_notice
from app.members import commands as members
from app.sop import commands
from app.sop.models import GuideTask
from workers.jobs.tables import TABLES

EVIDENCE = {"kind": "sidebar_send", "msgtype": "text", "external_userid": "wm-1"}


def _bound(world: World) -> int:
    with transaction():
        member = make_member(world, guide=world.guide)
        members.bind(brand_id=world.brand_id, member_id=member, phone_tail="1234")
    return member


def test_a_worker_killed_after_sending_sends_nothing_twice(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    """The message went out, the record did not: the second worker repeats it word by word and WeCom drops it."""
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as travel:
        _bound(world)
        with transaction():
            while outbox.fan_out(100):
                pass
        delivery = TABLES["delivery"]
        # What the default queue does, up to the task; the messages queue's worker is the one that dies.
        for row_id in _due("default"):
            _perform(row_id)
        with transaction():
            outbox.fan_out(100)
        dead = 0
        for row_id in _due("messages"):
            with transaction():
                row = work.take(delivery.model, row_id)
            assert row is not None
            if row.subscriber != "guide_notice.created":
                continue
            with context.correlated(row.correlation_id, row.outbox_id):
                with transaction():
                    request = guide_notice.new_tasks.read(delivery.subject(row))
                if request is not None:
                    guide_notice.new_tasks.call(request)
                    dead += 1
        assert dead == 1
        with transaction():
            assert session.scalars(select(Outbound.status)).all() == ["reserved"]
        travel.shift(timedelta(minutes=5))
        with transaction():
            assert work.sweep(delivery.model) > 0
        run_work()
        with transaction():
            assert session.scalars(select(Outbound.status)).all() == ["sent"]
        said = [row.content for row in tencent.engine.world.sent if not row.dropped]
        assert len(said) == 1


def _due(queue: str) -> list[int]:
    with transaction():
        return work.due(outbox.Delivery, queue, 100)


def _perform(row_id: int) -> None:
    delivery = TABLES["delivery"]
    with transaction():
        row = work.take(delivery.model, row_id)
    assert row is not None
    with context.correlated(row.correlation_id, row.outbox_id), transaction():
        handler = delivery.handler(row)
        assert not isinstance(handler, work.Effect)
        handler(delivery.subject(row))
        assert work.finish(row)


def test_eight_presses_at_once_complete_once_and_give_one_coupon(app, world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    member = _bound(world)
    run_work()
    with transaction():
        task_id = session.scalars(select(GuideTask.task_id).order_by(GuideTask.due_at)).first()
    assert task_id is not None

    def press() -> bool:
        with transaction():
            return commands.complete(
                brand_id=world.brand_id, task_id=task_id, guide_id=world.guide.id, evidence=EVIDENCE
            ).new

    answers = at_once(app, [press] * 8)
    assert sorted(map(str, answers)) == ["False"] * 7 + ["True"]
    run_work()
    with transaction():
        assert len(coupons.wallet(world.brand_id, member)) == 1
        told = session.scalars(select(outbox.Outbox.name).where(outbox.Outbox.name == "sop.task_completed")).all()
        assert len(told) == 1
