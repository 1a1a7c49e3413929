"""The coupon that comes with a tier: it arrives once, and a sold-out campaign holds up nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coupon_factories import campaign
from factories import World
from invariants import broken
from loyalty import add_benefit, an_order, set_rules
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.core import clock, ids
from app.core.db import session
from app.core.outbox import Delivery
from app.core.transaction import transaction
from app.core.work import revive
from app.coupons import queries as coupons
from app.flows.order_paid import order_paid
from app.points import queries as points
from app.sales.models import SalesOrder
from app.tiers import queries as tiers
from app.tiers.models import Benefit, MemberTier


def give_coupon(world: World, tier_id: int, campaign_id: int) -> int:
    benefit_id = ids.new_id()
    with transaction():
        session.add(
            Benefit(
                brand_id=world.brand_id,
                benefit_id=benefit_id,
                tier_id=tier_id,
                kind="coupon",
                campaign_id=campaign_id,
                period="once",
                name="升级礼券",
            )
        )
    return benefit_id


def buy(world: World, member_id: int, yuan: int, order_no: str) -> None:
    with transaction():
        order_paid(
            brand_id=world.brand_id, member_id=member_id, order=an_order(order_no, yuan * 100, store_id=world.store.id)
        )


def wallet(world: World, member_id: int) -> list[coupons.Card]:
    with transaction():
        return coupons.wallet(world.brand_id, member_id)


def test_reaching_a_tier_brings_its_coupon(world: World, run_work: Callable[[], int]) -> None:
    ladder = set_rules(world.brand_id)
    gift = campaign(world, claimable=False)
    give_coupon(world, ladder["silver"], gift)
    buy(world, 7, 499, "A1")
    run_work()
    assert wallet(world, 7) == []
    buy(world, 7, 1, "A2")
    run_work()
    assert [(card.campaign_id, card.source, card.status) for card in wallet(world, 7)] == [(gift, "tier", "claimed")]
    buy(world, 7, 1, "A3")
    run_work()
    assert len(wallet(world, 7)) == 1
    assert broken() == []


def test_a_delivery_done_twice_gives_one_coupon(world: World, run_work: Callable[[], int]) -> None:
    ladder = set_rules(world.brand_id)
    give_coupon(world, ladder["silver"], campaign(world, per_member=5))
    buy(world, 7, 500, "A1")
    run_work()
    with transaction():  # as if every delivery had been lost and came again
        session.execute(text("UPDATE delivery SET status = 'due', done_at = NULL"))
    run_work()
    assert len(wallet(world, 7)) == 1
    assert broken() == []


def test_a_sold_out_campaign_waits_for_stock_alone(world: World, run_work: Callable[[], int]) -> None:
    ladder = set_rules(world.brand_id)
    gift = campaign(world, quota=1, stripes=1)
    give_coupon(world, ladder["silver"], gift)
    add_benefit(world.brand_id, ladder["silver"], points=50)
    buy(world, 7, 500, "A1")
    run_work()
    buy(world, 8, 500, "A2")
    run_work()
    assert (len(wallet(world, 7)), len(wallet(world, 8))) == (1, 0)
    assert points.balances(world.brand_id, 8)["points"] == 550
    with transaction():
        dead = session.scalars(select(Delivery).where(Delivery.status == "dead")).one()
        assert (dead.subscriber, dead.last_error) == ("tiers.deliver_benefit", "sold_out")
        session.execute(text("UPDATE campaign_stock SET quota = 2"))
        revive(Delivery, [dead.id])
    run_work()
    assert len(wallet(world, 8)) == 1
    assert broken() == []


def test_an_order_whose_tier_cannot_be_written_leaves_nothing(world: World) -> None:
    ladder = set_rules(world.brand_id)
    with transaction():
        session.add(
            MemberTier(
                brand_id=world.brand_id,
                member_id=7,
                valid_from=clock.now(),
                valid_to=clock.now().replace(year=2999),
                tier_id=ladder["gold"],
                reason="import",
                correlation_id="cor_x",
            )
        )
    with pytest.raises(IntegrityError, match="ex_member_tier_overlap"):
        buy(world, 7, 500, "A1")
    assert session.scalars(select(SalesOrder)).all() == []
    assert points.balances(world.brand_id, 7) == {"points": 0, "growth": 0}
    assert tiers.current(world.brand_id, 7) is None
