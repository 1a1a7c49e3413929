"""An owner who becomes known after the binding, or changes: the member's open tasks follow."""

from __future__ import annotations

import threading
from datetime import timedelta

from factories import World
from people import make_member
from sqlalchemy import select, update
from tencent import Tencent

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.flows import sop_on_event
from app.members import commands as members
from app.members.events import Bound, GuideAssigned
from app.members.models import Member
from app.sop.models import GuideTask


def _bind(world: World, **more) -> int:  # type: ignore[no-untyped-def]
    with transaction():
        member = make_member(world, **more)
        members.bind(brand_id=world.brand_id, member_id=member, phone_tail="1234")
    return member


def _assign(world: World, member: int, guide) -> None:  # type: ignore[no-untyped-def]
    with transaction():
        members.assign_guide(
            brand_id=world.brand_id, member_id=member, guide_id=guide.id, store_id=guide.store_id, reason="follow"
        )


def _owners(member: int) -> list[tuple[int | None, int]]:
    with transaction():
        rows = session.scalars(select(GuideTask).where(GuideTask.member_id == member).order_by(GuideTask.due_at))
        return [(row.guide_id, row.store_id) for row in rows]


def test_a_member_bound_before_anybody_knew_the_guide_is_greeted_by_the_guide(world: World, tencent: Tencent, run_work):
    member = _bind(world)
    run_work()
    assert _owners(member) == []
    _assign(world, member, world.guides[2])
    run_work()
    assert _owners(member) == [(world.guides[2].id, world.guides[2].store_id)] * 2
    assert [sent.to for sent in tencent.engine.world.sent] == [world.guides[2].userid]


def test_open_tasks_follow_the_member_to_a_new_guide_who_is_told(world: World, tencent: Tencent, run_work):
    member = _bind(world, guide=world.guides[0])
    run_work()
    _assign(world, member, world.guides[2])
    run_work()
    assert _owners(member) == [(world.guides[2].id, world.guides[2].store_id)] * 2
    assert [sent.to for sent in tencent.engine.world.sent] == [world.guides[0].userid, world.guides[2].userid]


def test_a_member_bound_long_ago_is_not_greeted_by_a_new_guide(world: World, tencent: Tencent, run_work):
    member = _bind(world)
    run_work()
    with transaction():
        session.execute(
            update(Member).where(Member.member_id == member).values(bound_at=clock.now() - timedelta(days=30))
        )
    _assign(world, member, world.guides[0])
    run_work()
    assert _owners(member) == []


def test_an_owner_assigned_while_tasks_are_made_is_not_missed(app, world: World, tencent: Tencent):
    """Without the member's row being held, the assignment would slip between reading the owner and writing the tasks,
    and the hand-over would find nothing to move."""
    member = _bind(world, store=world.store)
    bound = Bound(brand_id=world.brand_id, member_id=member, store_id=world.store.id)
    reading, assigned = threading.Event(), threading.Event()

    def assign() -> None:
        with app.app_context():
            reading.wait(5)
            _assign(world, member, world.guides[2])
            assigned.set()

    thread = threading.Thread(target=assign)
    thread.start()
    with transaction():
        sop_on_event.on_bound(bound)
        reading.set()
        assert not assigned.wait(0.5)  # the assignment waits for these tasks
    thread.join(5)
    guide = world.guides[2]
    with transaction():
        sop_on_event.on_guide_assigned(
            GuideAssigned(
                brand_id=world.brand_id, member_id=member, guide_id=guide.id, store_id=guide.store_id, reason="follow"
            )
        )
    assert _owners(member) == [(guide.id, guide.store_id)] * 2
