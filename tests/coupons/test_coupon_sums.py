"""The doctor finds a sum of coupons that somebody changed behind the product's back."""

from __future__ import annotations

from typing import Any

import pytest
from coupon_factories import campaign, coupon, key, redeem
from factories import World, make_world
from invariants import broken
from sqlalchemy import text

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands

WRONG = {
    "stock_issued_is_coupons_out": "UPDATE campaign_stock SET issued = issued + 1 WHERE stripe = 0",
    "days_count_no_more_than_was_given": "UPDATE campaign_day SET issued = issued + 1",
    "stores_count_no_more_than_they_gave": "UPDATE campaign_allocation SET issued = issued + 1",
    "allocations_fit_into_the_stock": "UPDATE campaign_allocation SET quota = 9000",
    "discount_is_the_sum_of_its_lines": "UPDATE redemption_line SET discount_fen = discount_fen + 1 WHERE line_no = 1",
    "lines_know_what_went_back_of_them": "UPDATE redemption_line SET refunded_quantity = 2 WHERE line_no = 2",
    "refunds_sum_to_what_went_back": "UPDATE redemption SET refunded_fen = refunded_fen + 1",
    "orders_know_their_discount": "UPDATE order_discount SET discount_fen = discount_fen - 1",
    "budget_spent_is_what_is_taken_off": "UPDATE campaign_budget SET spent_fen = spent_fen - 1",
}


@pytest.fixture
def used(app: Any) -> World:
    """A campaign with every stock and a budget, of which a coupon was claimed, used and given back in part."""
    world = make_world()
    campaign_id = campaign(world, quota=1000, stripes=1, day_quota=9, budget_fen=9_000)
    with transaction():
        quotas = {store.id: 10 for store in world.stores}
        commands.allocate(brand_id=world.brand_id, campaign_id=campaign_id, quotas=quotas, actor="adm_1")
    member_id = ids.new_id()
    taken = commands.claim(
        brand_id=world.brand_id, member_id=member_id, campaign_id=campaign_id, key=key(), store_id=world.store.id
    )
    coupon(world)  # of another campaign: sums are kept apart
    done = redeem(world, _code(world, member_id, taken.coupon_id))
    with transaction():
        commands.refund(brand_id=world.brand_id, redemption_id=done.redemption_id, refund_no="R1", lines=[(2, 1)])
    assert broken("coupons.") == []
    return world


def _code(world: World, member_id: int, coupon_id: int) -> str:
    with transaction():
        return str(session.scalar(text("SELECT code FROM coupon WHERE coupon_id = :id"), {"id": coupon_id}))


@pytest.mark.parametrize("name", WRONG)
def test_a_sum_that_is_off_by_one_is_found(used: World, name: str) -> None:
    with transaction():
        session.execute(text(WRONG[name]))
    assert f"coupons.{name}" in {finding.name for finding in broken("coupons.")}
