"""Goods that go back take what coupons had taken off them along."""

from __future__ import annotations

from typing import Any

import pytest
from coupon_factories import campaign, coupon, fresh, redeem
from factories import World, make_world
from invariants import broken

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons.models import CampaignBudget
from app.flows import coupon_refunds
from app.sales.events import OrderRefunded
from app.sales.models import Refund, RefundLine, SalesOrder


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _bought(world: World, member_id: int, order_no: str) -> SalesOrder:
    order = SalesOrder(
        brand_id=world.brand_id,
        member_id=member_id,
        order_id=ids.new_id(),
        source="till",
        order_no=order_no,
        store_id=world.store.id,
        channel="till",
        walk_in=False,
        total_fen=0,
        discount_fen=0,
        paid_fen=0,
        status="paid",
        paid_at=clock.now(),
        correlation_id="cor_x",
        created_at=clock.now(),
    )
    session.add(order)
    session.flush()
    return order


def _refunded(world: World, order: SalesOrder, refund_no: str, *lines: tuple[int, int]) -> OrderRefunded:
    key = {"brand_id": order.brand_id, "member_id": order.member_id, "refund_id": ids.new_id()}
    session.add(
        Refund(
            **key,
            order_id=order.order_id,
            source="till",
            refund_no=refund_no,
            refunded_fen=0,
            reason="",
            refunded_at=clock.now(),
            correlation_id="cor_x",
            created_at=clock.now(),
        )
    )
    session.flush()
    session.add_all(RefundLine(**key, line_no=line, quantity=quantity, refunded_fen=0) for line, quantity in lines)
    session.flush()
    return OrderRefunded(
        brand_id=order.brand_id,
        member_id=order.member_id,
        order_id=order.order_id,
        refund_id=key["refund_id"],
        refunded_fen=0,
        left_fen=0,
    )


def _spent(campaign_id: int) -> int:
    return session.get_one(CampaignBudget, campaign_id, populate_existing=True).spent_fen


def test_a_refund_gives_back_its_lines_share_once(world: World) -> None:
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    redeem(world, one.code, order_no="A1")
    with transaction():
        order = _bought(world, one.member_id, "A1")
        part = _refunded(world, order, "R1", (2, 1), (3, 1))
        for _ in range(3):
            coupon_refunds.on_refund(part)
        assert _spent(campaign_id) == 500 - 83
        only_money = _refunded(world, order, "R2", (1, 0))
        coupon_refunds.on_refund(only_money)
        assert _spent(campaign_id) == 500 - 83
        coupon_refunds.on_refund(_refunded(world, order, "R3", (1, 1), (2, 1)))
        assert _spent(campaign_id) == 0
    assert fresh(world, one.member_id, one.coupon_id).status == "returned"


def test_what_the_till_told_itself_stands(world: World) -> None:
    one = coupon(world)
    done = redeem(world, one.code, order_no="A1")
    with transaction():
        order = _bought(world, one.member_id, "A1")
        from_till = coupon_refunds.coupons.refund(
            brand_id=world.brand_id, redemption_id=done.redemption_id, refund_no="R1", lines=[(1, 1)]
        )
        assert from_till.fen == 333
        coupon_refunds.on_refund(_refunded(world, order, "R1", (1, 1)))
        coupon_refunds.on_refund(_refunded(world, order, "R9", (1, 1)))
        assert from_till.redemption.refunded_fen == 333
    assert broken("coupons.") == []
