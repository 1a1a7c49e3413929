"""What members are owed and cannot have at once: a limit serves them, a pause and a day without stock pass by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon
from factories import World, make_world
from invariants import broken
from loyalty import set_rules
from merging import members
from sqlalchemy import func, select, update

from app.core import clock, ids
from app.core.db import session
from app.core.events import Event
from app.core.outbox import Delivery, emit
from app.core.slots import Slot
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import CampaignStock, Coupon
from app.flows import erase, owed_coupons
from app.members.events import Bound
from app.sop.events import TaskCompleted
from app.tiers.events import Upgraded
from app.tiers.models import Benefit


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken("coupons.") == broken("core.") == []


def by_occasion(world: World, campaign_id: int, member_id: int) -> Event:
    with transaction():
        commands.add_gift_rule(
            brand_id=world.brand_id, kind="welcome", campaign_id=campaign_id, created_by="adm_1"
        )
    return Bound(brand_id=world.brand_id, member_id=member_id)


def by_tier(world: World, campaign_id: int, member_id: int) -> Event:
    tier_id = set_rules(world.brand_id)["silver"]
    with transaction():
        session.add(
            Benefit(
                brand_id=world.brand_id, benefit_id=ids.new_id(), tier_id=tier_id, kind="coupon", period="monthly",
                campaign_id=campaign_id, name="月礼",
            )
        )  # fmt: skip
    return Upgraded(
        brand_id=world.brand_id, member_id=member_id, from_tier_id=None, tier_id=tier_id, tier_name="白银"
    )


def by_step(world: World, campaign_id: int, member_id: int) -> Event:
    return TaskCompleted(
        brand_id=world.brand_id, member_id=member_id, task_id=ids.new_id(), sop_id=1, step_id=1, title="礼", action="",
        guide_id=world.guide.id, store_id=world.store.id, campaign_id=campaign_id,
    )  # fmt: skip


OWED = pytest.mark.parametrize("owed", [by_occasion, by_tier, by_step])
SUBSCRIBERS = ("gifts.deliver", "tiers.deliver_benefit", "step_coupon.issue")


def tell(*events: Event) -> None:
    with transaction():
        for event in events:
            emit(event)


def had(campaign_id: int) -> int:
    with transaction():
        return session.scalar(select(func.count()).where(Coupon.campaign_id == campaign_id)) or 0


def deliveries() -> list[str]:
    """What became of the coupons that were owed, as (status, why)."""
    with transaction():
        rows = session.execute(
            select(Delivery.status, Delivery.last_error).where(Delivery.subscriber.in_(SUBSCRIBERS))
            .order_by(Delivery.id)
        )  # fmt: skip
        return [f"{status} {why}" if why else status for status, why in rows]


@OWED
@pytest.mark.parametrize("limits", [{"per_member": 1}, {"per_member": 9, "per_day": 1}])
def test_who_has_all_there_is_for_one_is_served(world: World, run_work: Any, owed: Any, limits: Any) -> None:
    (member_id,) = members(world, 1)
    campaign_id = campaign(world, **limits)
    coupon(world, campaign_id, member_id=member_id)
    tell(owed(world, campaign_id, member_id))
    run_work()
    assert (had(campaign_id), deliveries()) == (1, ["done"])


def switch(world: World, campaign_id: int, action: str) -> None:
    with transaction():
        commands.switch(
            brand_id=world.brand_id, campaign_id=campaign_id, action=action, actor="adm_1", reason="检查"
        )


def look_again() -> None:
    with transaction():
        owed_coupons.look_again(Slot(task="coupons.waiters", at=clock.now(), queue="bulk", correlation_id="c"))


def bound(world: World, campaign_id: int, count: int) -> None:
    """So many members are owed a coupon of the campaign."""
    first, *others = members(world, count)
    tell(by_occasion(world, campaign_id, first))
    tell(*(Bound(brand_id=world.brand_id, member_id=one) for one in others))


@OWED
def test_a_pause_is_waited_for(world: World, run_work: Any, owed: Any) -> None:
    (member_id,) = members(world, 1)
    campaign_id = campaign(world)
    switch(world, campaign_id, "pause")
    tell(owed(world, campaign_id, member_id))
    with time_machine.travel(clock.now() + timedelta(days=9), tick=True):
        run_work()
        look_again()
        run_work()
        assert (had(campaign_id), deliveries()) == (0, ["waiting campaign_paused"])
        switch(world, campaign_id, "resume")
        run_work()
        assert (had(campaign_id), deliveries()) == (1, ["done"])


def test_the_news_that_came_before_somebody_waited_is_not_needed(world: World, run_work: Any) -> None:
    campaign_id = campaign(world)
    switch(world, campaign_id, "pause")
    bound(world, campaign_id, 1)
    run_work()
    with transaction():
        waiting = select(Delivery.id).where(Delivery.status == "waiting")
        (row_id,) = session.scalars(waiting)
        session.execute(update(Delivery).where(Delivery.id == row_id).values(status="done", waits_for=None))
    switch(world, campaign_id, "resume")
    run_work()
    with transaction():
        session.execute(
            update(Delivery).where(Delivery.id == row_id).values(status="waiting", waits_for=campaign_id)
        )
    look_again()
    run_work()
    assert had(campaign_id) == 1


def test_many_are_woken_chunk_by_chunk(world: World, run_work: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(owed_coupons, "CHUNK", 2)
    campaign_id = campaign(world)
    switch(world, campaign_id, "pause")
    bound(world, campaign_id, 5)
    run_work()
    switch(world, campaign_id, "resume")
    run_work()
    assert had(campaign_id) == 5


def test_each_day_serves_as_many_as_it_has(world: World, run_work: Any) -> None:
    campaign_id = campaign(world, quota=5, day_quota=2, valid_days=30)
    bound(world, campaign_id, 6)
    run_work()
    assert deliveries() == ["done"] * 2 + ["waiting sold_out_today"] * 4
    look_again()
    run_work()
    assert had(campaign_id) == 2
    with transaction():
        tried = session.scalars(select(Delivery.attempts).where(Delivery.status == "waiting")).all()
        assert set(tried) == {1}, "nobody tries where there is nothing for today"
    for day, served in ((1, 4), (2, 5)):
        with time_machine.travel(clock.now() + timedelta(days=day), tick=True):
            for _ in range(2):
                look_again()
                run_work()
            assert had(campaign_id) == served
    assert deliveries() == ["done"] * 5 + ["dead sold_out"]


@pytest.mark.parametrize(("then", "why"), [("end", "campaign_closed"), ("stock", "sold_out")])
def test_who_waits_in_vain_is_for_a_human(world: World, run_work: Any, then: str, why: str) -> None:
    campaign_id = campaign(world, day_quota=1)
    bound(world, campaign_id, 2)
    run_work()
    assert deliveries() == ["done", "waiting sold_out_today"]
    if then == "end":
        switch(world, campaign_id, "end")
    else:
        with transaction():
            session.execute(update(CampaignStock).values(quota=CampaignStock.issued))
        look_again()
    run_work()
    assert deliveries() == ["done", f"dead {why}"]


def test_who_was_forgotten_meanwhile_waits_no_more(world: World, run_work: Any) -> None:
    (member_id,) = members(world, 1)
    campaign_id = campaign(world)
    switch(world, campaign_id, "pause")
    tell(by_occasion(world, campaign_id, member_id))
    run_work()
    with transaction():
        erase.erase(brand_id=world.brand_id, member_id=member_id, actor="adm_1", reason="本人要求")
    assert deliveries() == ["done"]
    switch(world, campaign_id, "resume")
    run_work()
    assert had(campaign_id) == 0
