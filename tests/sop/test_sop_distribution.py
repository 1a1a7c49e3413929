"""Scheduled SOPs: killed anywhere and run again, the rows are the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from factories import World
from invariants import broken
from people import make_member
from sqlalchemy import func, select
from tagging import tagged, untagged

from app.core import clock
from app.core.db import session
from app.core.slots import Slot
from app.core.transaction import transaction
from app.flows import sop_schedule
from app.members.models import Member
from app.segments import commands as segments
from app.segments.models import SegmentSnapshot
from app.sop import commands
from app.sop.commands import distribute
from app.sop.models import GuideTask, SopRun
from app.sop.rules import Step

MORNING = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)  # 09:30 in Shanghai
MEMBERS = 23


class Killed(BaseException):
    """The worker died here."""


@pytest.fixture
def audience(world: World) -> list[int]:
    """Members with an owner, members of a store, one of no store; and one that the segment does not have."""
    with transaction():
        members = [
            make_member(
                world, guide=world.guides[n % 3] if n % 2 else None, store=None if n == 4 else world.stores[n % 2]
            )
            for n in range(MEMBERS)
        ]
        make_member(world, store=world.store)
        for member in members:
            tagged(world.brand_id, member, "wake")
        segment = segments.save_segment(
            brand_id=world.brand_id, name="唤醒", rule={"field": "tag", "op": "has_any", "value": ["wake"]}
        )
        commands.save(
            brand_id=world.brand_id,
            code="wake",
            name="沉睡唤醒",
            trigger={"segment_id": segment, "every": "day", "at": "09:00"},
            steps=[
                Step(title="发问候", material_id=world.extra["material"]),  # type: ignore[arg-type]
                Step(title="回访", action="call", day_offset=1, local_time="10:00"),
            ],
        )
    return members


def _rows(world: World) -> set[tuple]:  # type: ignore[type-arg]
    with transaction():
        found = session.execute(
            select(
                GuideTask.member_id,
                GuideTask.step_id,
                GuideTask.period,
                GuideTask.guide_id,
                GuideTask.store_id,
                GuideTask.due_at,
                GuideTask.deadline_at,
            ).where(GuideTask.brand_id == world.brand_id)
        )
        return {tuple(row) for row in found}


def _run() -> SopRun:
    with transaction():
        return session.scalars(select(SopRun).execution_options(populate_existing=True)).one()


def _all_the_way(chunk: int = 5) -> None:
    with transaction():
        commands.open_runs()
    while _step(chunk):
        pass


def _step(chunk: int = 5) -> bool:
    with transaction():
        return commands.advance(chunk=chunk)


def test_everyone_gets_every_step_once(world: World, audience: list[int]) -> None:
    with time_machine.travel(MORNING, tick=False):
        _all_the_way()
        rows, run = _rows(world), _run()
        assert len(rows) == 2 * (MEMBERS - 1) == run.created
        assert (run.audience, run.status, run.cursor, run.period) == (MEMBERS, "done", max(audience), "2026-11-22")
        assert {row[5] for row in rows} == {MORNING, datetime(2026, 11, 23, 2, 0, tzinfo=UTC)}
        assert all(row[3] is not None for row in rows)
        with transaction():
            owners = dict(session.execute(select(Member.member_id, Member.guide_id)).all())
        assert not broken("sop")
        assert all(row[3] == owners[row[0]] for row in rows if owners[row[0]] is not None)
        _all_the_way()
        assert _rows(world) == rows


def test_tomorrow_is_another_run(world: World, audience: list[int]) -> None:
    with time_machine.travel(MORNING - timedelta(hours=1), tick=False) as travel:
        with transaction():
            assert commands.open_runs() == 0
        travel.move_to(MORNING)
        _all_the_way()
        travel.shift(timedelta(days=1))
        _all_the_way()
    assert len(_rows(world)) == 4 * (MEMBERS - 1)


@pytest.mark.parametrize("where", ["opening", "before_writing", "after_writing", "between_chunks"])
@pytest.mark.parametrize("at_chunk", [0, 2])
def test_killed_anywhere_and_run_again_the_rows_are_the_same(
    world: World, audience: list[int], monkeypatch: pytest.MonkeyPatch, where: str, at_chunk: int
) -> None:
    with time_machine.travel(MORNING, tick=False):
        give_out = distribute._give_out

        def dies(run: SopRun, members: int, last: int) -> int:
            if where == "after_writing":
                give_out(run, members, last)
            raise Killed

        if where == "opening":
            with pytest.raises(Killed), transaction():
                commands.open_runs()
                raise Killed
            with transaction():
                assert session.scalar(select(func.count()).select_from(SegmentSnapshot)) == 0
        with transaction():
            commands.open_runs()
        for _ in range(at_chunk):
            _step()
        if where in ("before_writing", "after_writing"):
            with monkeypatch.context() as patch:
                patch.setattr(distribute, "_give_out", dies)
                with pytest.raises(Killed):
                    _step()
            assert len(_rows(world)) == min(at_chunk * 5, MEMBERS) * 2 - 2 * (at_chunk > 0)
        if where == "between_chunks":
            with transaction():
                session.scalars(select(SopRun)).one().cursor = 0  # the cursor is lost, the natural key stands
        # Whatever came to the members meanwhile: who is meant was fixed when the run opened.
        with transaction():
            untagged(world.brand_id, audience[-1], "wake")
        while _step():
            pass
        killed = _rows(world)
        _all_the_way()
        assert _rows(world) == killed and len(killed) == 2 * (MEMBERS - 1)


def test_the_clock_drives_it_to_the_end(world: World, audience: list[int], run_work, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(distribute.advance, "__kwdefaults__", {"chunk": 4})
    with time_machine.travel(MORNING, tick=False) as travel:
        with transaction():
            session.add(Slot(task="sop.distribute", at=clock.now(), queue="bulk", correlation_id="cor_slot"))
        run_work()
        run = _run()
        assert (run.status, run.created) == ("done", 2 * (MEMBERS - 1))
        travel.shift(timedelta(minutes=1))
        with transaction():
            sop_schedule.distribute(Slot())
            told = session.scalars(select(GuideTask.announced_at).where(GuideTask.announced_at.is_not(None))).all()
        assert told == []  # TasksDue waits in the outbox: nobody has been told before the message is reserved


def test_a_member_who_left_meanwhile_gets_nothing(world: World, audience: list[int]) -> None:
    with time_machine.travel(MORNING, tick=False):
        with transaction():
            commands.open_runs()
            session.get_one(Member, (world.brand_id, audience[0])).status = "erased"
        while _step():
            pass
    assert audience[0] not in {row[0] for row in _rows(world)}
