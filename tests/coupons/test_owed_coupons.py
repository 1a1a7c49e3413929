"""What members are owed and cannot have at once: a limit serves them."""

from __future__ import annotations

from typing import Any

import pytest
from coupon_factories import campaign, coupon
from factories import World, make_world
from invariants import broken
from loyalty import set_rules
from merging import members
from sqlalchemy import func, select

from app.core import ids
from app.core.db import session
from app.core.events import Event
from app.core.outbox import Delivery, emit
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import Coupon
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
