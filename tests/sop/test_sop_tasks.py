from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from factories import World
from invariants import broken
from people import make_member
from sqlalchemy import select
from tencent import Tencent

from app.channels.models import Outbound
from app.core import clock, outbox
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import queries as coupons
from app.members import commands as members
from app.sop import commands, queries
from app.sop.errors import EvidenceInvalid, TaskClosed, TaskNotDue, TaskUnknown
from app.sop.models import GuideTask
from app.sop.rules import Step

EVIDENCE = {"kind": "sidebar_send", "msgtype": "text", "external_userid": "wm-1"}


def _bind(world: World, **more) -> int:  # type: ignore[no-untyped-def]
    with transaction():
        member = make_member(world, **more)
        members.bind(brand_id=world.brand_id, member_id=member, phone_tail="1234")
    return member


def _tasks(member: int) -> list[GuideTask]:
    with transaction():
        return list(session.scalars(select(GuideTask).where(GuideTask.member_id == member).order_by(GuideTask.due_at)))


def _notices() -> list[Outbound]:
    with transaction():
        return list(session.scalars(select(Outbound).order_by(Outbound.reserved_at)))


def test_from_binding_to_coupon(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    member = _bind(world, guide=world.guide)
    run_work()

    now_task, later_task = _tasks(member)
    assert (now_task.guide_id, now_task.store_id, now_task.status) == (world.guide.id, world.store.id, "open")
    assert later_task.due_at > clock.now() + timedelta(days=2)
    assert [(row.kind, row.status) for row in _notices()] == [("guide_notice", "sent")]
    (message,) = tencent.engine.world.sent
    assert "送上新人礼" in str(message) and "tsk_" in str(message)

    with transaction():
        first = commands.complete(
            brand_id=world.brand_id, task_id=now_task.task_id, guide_id=world.guide.id, evidence=EVIDENCE
        )
        again = commands.complete(
            brand_id=world.brand_id, task_id=now_task.task_id, guide_id=world.guide.id, evidence=EVIDENCE
        )
    assert (first.new, again.new) == (True, False)
    run_work()
    with transaction():
        (card,) = coupons.wallet(world.brand_id, member)
        assert (card.source, card.campaign_id) == ("sop", world.extra["campaign"])
        view = queries.task(world.brand_id, now_task.task_id)
        assert (view.status, view.sop_name, view.title) == ("done", "新会员关怀", "送上新人礼")
        assert queries.counts(world.brand_id, world.guide.id, clock.now() - timedelta(hours=1)) == queries.Counts(
            due=0, overdue=0, done=1
        )
    assert not broken("sop")


def test_an_event_handled_twice_gives_one_task(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    member = _bind(world, guide=world.guide)
    start = {
        "brand_id": world.brand_id,
        "member_id": member,
        "trigger": "members.bound",
        "at": clock.now(),
        "guide_id": world.guide.id,
        "store_id": None,
    }
    with transaction():
        assert len(commands.start(**start)) == 2
        assert commands.start(**start) == []
    run_work()
    assert len(_tasks(member)) == 2


def test_who_gets_the_task(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    owned = _bind(world, guide=world.guides[0])
    of_store = _bind(world, store=world.store)
    nobody = _bind(world)
    run_work()
    with transaction():
        # The first guide has two open tasks already, so the store's other one is next.
        assert {task.guide_id for task in _of(owned)} == {world.guides[0].id}
        assert {task.guide_id for task in _of(of_store)} == {world.guides[1].id}
        assert _of(nobody) == []
        world.guides[2].role = "store_manager"
        session.merge(world.guides[2])
        world.guides[0].status = "left"
        session.merge(world.guides[0])
    to_manager = _bind(world, store=world.stores[1])
    owner_left = _bind(world, guide=world.guides[0])
    run_work()
    assert {task.guide_id for task in _tasks(to_manager)} == {world.guides[2].id}
    assert {task.guide_id for task in _tasks(owner_left)} == {world.guides[1].id}


def _of(member: int) -> list[GuideTask]:
    return list(session.scalars(select(GuideTask).where(GuideTask.member_id == member)))


def test_only_its_guide_or_the_stores_manager_completes_a_task(world: World, run_work, tencent: Tencent) -> None:  # type: ignore[no-untyped-def]
    member = _bind(world, guide=world.guide)
    run_work()
    due, later = _tasks(member)

    def complete(task: GuideTask, guide: int, evidence: dict = EVIDENCE, brand: int = world.brand_id) -> None:  # type: ignore[type-arg]
        with transaction():
            commands.complete(brand_id=brand, task_id=task.task_id, guide_id=guide, evidence=evidence)

    for guide, brand in ((world.guides[1].id, world.brand_id), (world.guide.id, 5), (7, world.brand_id)):
        with pytest.raises(TaskUnknown):
            complete(due, guide, brand=brand)
    with pytest.raises(EvidenceInvalid):
        complete(due, world.guide.id, {"kind": "note", "note": "已发"})
    with pytest.raises(TaskNotDue):
        complete(later, world.guide.id, {"kind": "note", "note": "已打电话"})
    with transaction():
        world.guides[1].role = "store_manager"
        session.merge(world.guides[1])
    complete(due, world.guides[1].id)
    assert _tasks(member)[0].status == "done"


def test_a_burst_of_tasks_is_one_message_and_never_more_than_the_limit(
    world: World,
    tencent: Tencent,
    run_work,  # type: ignore[no-untyped-def]
) -> None:
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as travel:
        for _ in range(45):
            _bind(world, guide=world.guide)
        # One message at a time, as in life: each delivery runs before the next task is made only in the worst case.
        run_work()
        travel.shift(timedelta(seconds=40))
        run_work()
        assert len(tencent.engine.world.sent) == len(_notices()) <= 30
        with transaction():
            untold = session.scalars(
                select(GuideTask.task_id).where(GuideTask.announced_at.is_(None), GuideTask.due_at <= clock.now())
            ).all()
        assert untold == []


def test_one_by_one_the_limit_delays_and_then_batches(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as travel:
        for _ in range(25):
            _bind(world, guide=world.guide)
            run_work()
        assert len(tencent.engine.world.sent) == 20
        travel.shift(timedelta(seconds=65))
        run_work()
        assert len(tencent.engine.world.sent) == 21
        assert "5 个新任务" in str(list(tencent.engine.world.sent)[-1])
    assert all(row.status == "sent" for row in _notices())


def test_what_comes_due_later_is_announced_by_the_schedule(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as travel:
        _bind(world, guide=world.guide)
        run_work()
        with transaction():
            assert commands.announce(limit=10) == 0
        travel.shift(timedelta(days=3, minutes=1))
        with transaction():
            assert commands.announce(limit=10) == 1
        run_work()
        assert len(tencent.engine.world.sent) == 2 and "三天后回访" in str(list(tencent.engine.world.sent)[-1])
        with transaction():
            assert commands.announce(limit=10) == 0


def test_the_ladder_reminds_escalates_and_ends(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    with transaction():
        world.guides[1].role = "store_manager"
        session.merge(world.guides[1])
        commands.save(
            brand_id=world.brand_id,
            code="bound",
            name="新会员关怀",
            trigger={"event": "members.bound"},
            steps=[Step(title="送上新人礼", material_id=world.extra["material"])],  # type: ignore[arg-type]
        )
    told = []
    with time_machine.travel(datetime(2026, 11, 22, 2, 0, tzinfo=UTC), tick=False) as travel:
        member = _bind(world, guide=world.guide)
        run_work()
        for hours in (23, 2, 1, 4, 1, 70):
            travel.shift(timedelta(hours=hours))
            with transaction():
                commands.remind(limit=100)
            run_work()
            told.append([(row.kind, row.status) for row in _notices()][1:])
        (task,) = _tasks(member)
    reminder = ("guide_reminder", "sent")
    assert told == [[], [reminder], [reminder], [reminder] * 2, [reminder] * 2, [reminder] * 2]
    receivers = [row.to for row in tencent.engine.world.sent]
    assert [str(world.guides[1].userid) in str(to) for to in receivers] == [False, False, True]
    assert task.status == "expired"
    with pytest.raises(TaskClosed), transaction():
        commands.complete(brand_id=world.brand_id, task_id=task.task_id, guide_id=world.guide.id, evidence=EVIDENCE)
    assert not broken("sop")


def test_a_notice_that_was_reserved_is_repeated_word_by_word(world: World, tencent: Tencent, run_work) -> None:  # type: ignore[no-untyped-def]
    member = _bind(world, guide=world.guide)
    with transaction():
        outbox.fan_out(100)
    run_work()
    first = _tasks(member)[0]
    with transaction():
        assert first.notice_id is not None
        again = commands.claim_notice(brand_id=world.brand_id, guide_id=world.guide.id, notice_id=first.notice_id)
        other = commands.claim_notice(brand_id=world.brand_id, guide_id=world.guide.id, notice_id=first.notice_id + 1)
    assert again is not None and (again.count, again.first_task_id) == (1, first.task_id)
    assert other is None
