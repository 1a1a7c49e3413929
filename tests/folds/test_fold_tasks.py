"""Guides' tasks, tags and orders of a merged member."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from factories import World
from loyalty import an_order
from merging import books, members, merge, merge_again, split
from sqlalchemy import select

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.flows.order_paid import order_paid
from app.members.models import Member
from app.sales import commands as sales
from app.sales.errors import OrderChanged
from app.segments import commands as tags
from app.segments import queries as segments
from app.sop import commands as sop
from app.sop import queries
from app.sop.models import GuideTask
from app.sop.rules import Step


@pytest.fixture
def playbook(world: World) -> int:
    with transaction():
        return sop.save(
            brand_id=world.brand_id,
            code="bound",
            name="关怀",
            trigger={"event": "members.bound"},
            steps=[Step(title="电话", action="call"), Step(title="邀约", action="invite")],
        )


def start(world: World, member_id: int, period: str = "once", guide: int = 0) -> list[int]:
    with transaction():
        return sop.start(
            brand_id=world.brand_id,
            member_id=member_id,
            trigger="members.bound",
            at=clock.now(),
            guide_id=world.guides[guide].id,
            store_id=world.store.id,
            period=period,
        )


def tasks(world: World, member_id: int) -> list[tuple[str, str]]:
    with transaction():
        rows = session.execute(
            select(GuideTask.period, GuideTask.status)
            .where(GuideTask.brand_id == world.brand_id, GuideTask.member_id == member_id)
            .order_by(GuideTask.period)
        )
        return [(row.period, row.status) for row in rows]


def complete(world: World, task_id: int) -> bool:
    with transaction():
        return sop.complete(
            brand_id=world.brand_id,
            task_id=task_id,
            guide_id=world.guide.id,
            evidence={"kind": "note", "note": "电话已接通"},
        ).new


def test_open_tasks_follow_and_the_same_one_is_asked_for_once(world: World, playbook: int) -> None:
    winner, loser = members(world, 2)
    mine, theirs = start(world, winner, "a"), start(world, loser, "a")
    more = start(world, loser, "b")
    before = books(world)
    merge(world, winner, loser)
    assert tasks(world, winner) == [("a", "open")] * 2 + [("b", "open")] * 2
    assert tasks(world, loser) == [("a", "merged")] * 2
    with transaction():
        asked = {one.task_id for one in queries.due_tasks(brand_id=world.brand_id, guide_id=world.guide.id)}
        assert asked == {*mine, *more}
        assert queries.counts(world.brand_id, world.guide.id, clock.now()).due == 4
    split(world, loser)
    assert books(world) == before
    with transaction():
        asked = {one.task_id for one in queries.due_tasks(brand_id=world.brand_id, guide_id=world.guide.id)}
        assert asked == {*mine, *theirs, *more}


def test_a_task_done_in_between_stays_done(world: World, playbook: int) -> None:
    winner, loser = members(world, 2)
    task_id = start(world, loser)[0]
    merge(world, winner, loser)
    assert complete(world, task_id)
    split(world, loser)
    assert ("once", "done") in tasks(world, loser)
    assert not complete(world, task_id)


def test_tasks_that_come_late_follow(world: World, playbook: int) -> None:
    winner, loser = members(world, 2)
    merge(world, winner, loser)
    start(world, loser)
    merge_again(world, loser)
    assert tasks(world, winner) == [("once", "open")] * 2 and tasks(world, loser) == []


def test_a_merged_member_is_nobodys_audience(world: World) -> None:
    winner, loser = members(world, 2)
    with transaction():
        paid = an_order("L1", 50_00, store_id=world.store.id)
        order_paid(brand_id=world.brand_id, member_id=loser, order=paid)
    rule = {"field": "orders.count", "op": "gte", "value": 1}

    def found(asked: dict[str, Any]) -> set[int]:
        with transaction():
            return set(session.scalars(segments.audience(brand_id=world.brand_id, rule=asked, as_of=datetime.now(UTC))))

    assert found(rule) == {loser}
    merge(world, winner, loser)
    assert found(rule) == {winner}
    assert found({"not": rule}) == set()
    split(world, loser)
    assert found(rule) == {loser} and found({"not": rule}) == {winner}


def test_an_order_uploaded_again_is_the_same_order_whoever_its_member_is_now(world: World) -> None:
    winner, loser = members(world, 2)
    first = an_order("L1", 100_00, store_id=world.store.id)

    def upload(member_id: int, order: Any) -> Any:
        with transaction():
            return order_paid(brand_id=world.brand_id, member_id=member_id, order=order)

    paid = upload(loser, first)
    merge(world, winner, loser)
    for member_id in (loser, winner):
        again = upload(member_id, first)
        assert (again.order_id, again.new, again.member_id, again.points) == (paid.order_id, False, winner, 100)
    second = an_order("L2", 50_00, store_id=world.store.id)
    later = upload(loser, second)
    assert later.new and later.member_id == winner and later.points_balance == 150
    split(world, loser)
    assert upload(loser, first).new is False
    assert upload(loser, second).new is False  # it stays the winner's, and the till is told that it is there
    stranger = members(world, 1)[0]
    with pytest.raises(OrderChanged):
        upload(stranger, first)


def test_an_order_uploaded_again_after_a_chain_of_merges_is_the_same_order(world: World) -> None:
    first, second, third = members(world, 3)
    order = an_order("L1", 100_00, store_id=world.store.id)

    def upload(member_id: int) -> Any:
        with transaction():
            return order_paid(brand_id=world.brand_id, member_id=member_id, order=order)

    paid = upload(third)
    merge(world, second, third)
    merge(world, first, second)
    for member_id in (first, second, third):
        again = upload(member_id)
        assert (again.order_id, again.new, again.member_id) == (paid.order_id, False, first)
    split(world, second)
    assert upload(second).member_id == second
    with pytest.raises(OrderChanged):
        upload(members(world, 1)[0])


def test_an_order_of_a_walk_in_is_nobodys(world: World) -> None:
    winner, loser = members(world, 2)
    with transaction():
        walked = sales.record_order(
            brand_id=world.brand_id, member_id=None, order=an_order("X1", 100, store_id=world.store.id)
        )
    merge(world, winner, loser)
    with transaction():
        assert session.get(Member, (world.brand_id, walked.member_id)) is None
        again = sales.record_order(
            brand_id=world.brand_id,
            member_id=None,
            order=an_order("X1", 100, store_id=world.store.id, paid_at=_paid_at(walked.order_id)),
        )
    assert again.order_id == walked.order_id


def _paid_at(order_id: int) -> datetime:
    table = GuideTask.metadata.tables["sales_order"]
    found = session.scalar(select(table.c.paid_at).where(table.c.order_id == order_id))
    assert found is not None
    return found


def test_tags_follow_through_a_chain_and_go_home(world: World) -> None:
    three = members(world, 3)
    with transaction():
        shared, own = (tags.define_tag(brand_id=world.brand_id, name=name) for name in ("跑步", "咖啡"))
        for member_id, tag_ids in zip(three, ([shared], [shared], [shared, own]), strict=True):
            tags.put(brand_id=world.brand_id, member_id=member_id, tag_ids=tag_ids, source="manual", said_by="test")
    before = books(world)
    merge(world, three[1], three[2])
    merge(world, three[0], three[1])
    with transaction():
        assert {one.name for one in segments.tags_of(world.brand_id, three[0])} == {"跑步", "咖啡"}
    split(world, three[2])
    split(world, three[1])
    assert books(world) == before
