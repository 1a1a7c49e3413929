"""Goods that go back take what coupons had taken off them along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from at_once import at_once, beside
from coupon_factories import BASKET, campaign, coupon, fresh, key, redeem, till
from factories import World, make_world
from invariants import broken

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import run, transaction
from app.coupons import commands
from app.coupons.errors import RefundTooLarge
from app.coupons.models import CampaignBudget, RedemptionRefund
from app.flows import cash_desk, coupon_orders
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.members import erase as members_erase
from app.sales.events import OrderRefunded
from app.sales.models import OrderLine, Refund, RefundLine, SalesOrder


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _bought(world: World, member_id: int, order_no: str, *, channel: str = "till") -> SalesOrder:
    order = SalesOrder(
        brand_id=world.brand_id,
        member_id=member_id,
        order_id=ids.new_id(),
        source=channel,
        order_no=order_no,
        store_id=world.store.id,
        channel=channel,
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
    for line, off in zip(BASKET, (333, 167), strict=True):
        bought = {"line_no": line.line_no, "sku": line.sku, "category": line.category, "quantity": line.quantity}
        money = {"unit_fen": 0, "amount_fen": line.amount_fen, "discount_fen": off, "paid_fen": line.amount_fen - off}
        key = {"brand_id": order.brand_id, "member_id": member_id, "order_id": order.order_id}
        session.add(OrderLine(**key, **bought, **money, name=line.sku))
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
            coupon_orders.on_refund(part)
        assert _spent(campaign_id) == 500 - 83
        only_money = _refunded(world, order, "R2", (1, 0))
        coupon_orders.on_refund(only_money)
        assert _spent(campaign_id) == 500 - 83
        coupon_orders.on_refund(_refunded(world, order, "R3", (1, 1), (2, 1)))
        assert _spent(campaign_id) == 0
    assert fresh(world, one.member_id, one.coupon_id).status == "returned"


def test_what_the_till_told_itself_stands(world: World) -> None:
    one = coupon(world)
    done = redeem(world, one.code, order_no="A1")
    with transaction():
        order = _bought(world, one.member_id, "A1")
        from_till = coupon_orders.coupons.refund(
            brand_id=world.brand_id, redemption_id=done.redemption_id, refund_no="R1", lines=[(1, 1)]
        )
        assert from_till.fen == 333
        coupon_orders.on_refund(_refunded(world, order, "R1", (1, 1)))
        coupon_orders.on_refund(_refunded(world, order, "R9", (1, 1)))
        assert from_till.redemption.refunded_fen == 333
    assert broken("coupons.") == []


def test_what_the_till_told_in_part_is_told_in_full(world: World) -> None:
    """Under the refund's own number or another: what is missing comes, and nothing comes twice."""
    for no, told_as in enumerate(("R1", "COUPON-1")):
        campaign_id = campaign(world, budget_fen=10_000)
        one = coupon(world, campaign_id)
        done = redeem(world, one.code, order_no=f"A{no}")
        with transaction():
            order = _bought(world, one.member_id, f"A{no}")
            coupon_orders.coupons.refund(
                brand_id=world.brand_id, redemption_id=done.redemption_id, refund_no=told_as, lines=[(2, 1)]
            )
            event = _refunded(world, order, f"R{no}" if no else "R1", (1, 1), (2, 1))
            for _ in range(3):
                coupon_orders.on_refund(event)
            assert _spent(campaign_id) == 500 - 333 - 83
            rest = _refunded(world, order, f"S{no}", (2, 1))
            coupon_orders.on_refund(rest)
            coupon_orders.on_refund(event)
            assert _spent(campaign_id) == 0
        assert fresh(world, one.member_id, one.coupon_id).status == "returned"
        assert broken("coupons.") == []


def test_a_refund_that_is_refused_gives_back_nothing(world: World) -> None:
    """Whoever catches it and goes on has no half of it."""
    one = coupon(world)
    done = redeem(world, one.code, order_no="A1")
    with transaction():
        with pytest.raises(RefundTooLarge):
            coupon_orders.coupons.refund(
                brand_id=world.brand_id, redemption_id=done.redemption_id, refund_no="R1", lines=[(1, 1), (2, 3)]
            )
    assert broken("coupons.") == []
    with transaction():
        assert session.query(RedemptionRefund).all() == []


def test_the_mall_and_the_tills_number_their_orders_separately(world: World) -> None:
    one, other = coupon(world), coupon(world)
    redeem(world, one.code, order_no="A1")
    in_mall = till(world)._replace(channel="mall", source="mall")
    commands.redeem(till=in_mall, key=key(), code=other.code, order_no="A1", lines=BASKET)
    with transaction():
        order = _bought(world, other.member_id, "A1", channel="mall")
        coupon_orders.on_refund(_refunded(world, order, "R1", (1, 1), (2, 2)))
    assert fresh(world, other.member_id, other.coupon_id).status == "returned"
    assert fresh(world, one.member_id, one.coupon_id).status == "redeemed"


def test_a_forgotten_members_coupon_does_not_come_back(world: World) -> None:
    with transaction():
        person_id = identity.link(ids=[Identity("openid", "wx1", "o-1")], source="test").person_id
        member_id = members.join(brand_id=world.brand_id, person_id=person_id, source="miniapp")
    one, other = coupon(world, member_id=member_id), coupon(world, member_id=member_id)
    redeemed = [redeem(world, mine.code) for mine in (one, other)]
    with transaction():
        members_erase.erase(brand_id=world.brand_id, member_ids=[member_id])
    with transaction():
        commands.give_back(brand_id=world.brand_id, redemption_id=redeemed[0].redemption_id)
        commands.refund(
            brand_id=world.brand_id,
            redemption_id=redeemed[1].redemption_id,
            refund_no="R1",
            lines=[(1, 1), (2, 2)],
        )
    assert [fresh(world, member_id, mine.coupon_id).status for mine in (one, other)] == ["voided", "voided"]
    assert broken("coupons.") == []


def test_what_went_back_before_an_offline_receipt_was_told_is_given_back_with_it(world: World) -> None:
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    told = commands.Receipt("R-1", one.code, "A1", BASKET, clock.now(), b"1")
    with transaction():
        order = _bought(world, one.member_id, "A1")
        coupon_orders.on_refund(_refunded(world, order, "BACK-1", (1, 1), (2, 1)))
    for _ in range(2):
        with transaction():
            row = coupon_orders.take_receipt(till=till(world), receipt=told).row
            assert (row.outcome, row.discount_fen) == ("redeemed", 500)
    assert _spent(campaign_id) == 500 - 333 - 83
    with transaction():
        coupon_orders.on_refund(_refunded(world, order, "BACK-2", (2, 1)))
    assert _spent(campaign_id) == 0
    assert broken("coupons.") == []


def test_a_coupon_of_which_only_the_orders_sum_was_known_comes_back_with_the_whole_order(world: World) -> None:
    """At a cash desk an amount was typed; the order comes in with its lines, of which the first is not that amount."""
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    at_desk = till(world)._replace(channel="desk", source="desk")
    basket = cash_desk.basket(amount_fen=3_000)
    commands.redeem(till=at_desk, key=key(), code=one.code, order_no="A1", lines=basket)
    with transaction():
        order = _bought(world, one.member_id, "A1")
        coupon_orders.on_refund(_refunded(world, order, "R1", (1, 1)))
        assert _spent(campaign_id) == 500
        coupon_orders.on_refund(_refunded(world, order, "R2", (2, 2)))
        assert _spent(campaign_id) == 0
    assert fresh(world, one.member_id, one.coupon_id).status == "returned"


def _late(world: World, code: str) -> Callable[[], Any]:
    told = commands.Receipt("R-1", code, "A1", BASKET, clock.now(), b"1")
    return lambda: coupon_orders.take_receipt(till=till(world), receipt=told)


def _back(world: World, order: SalesOrder) -> Callable[[], Any]:
    return lambda: run(lambda: coupon_orders.on_refund(_refunded(world, order, "BACK-1", (1, 1))))


def test_a_refund_beside_a_late_receipt_of_its_order_is_followed(app: Any, world: World) -> None:
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    with transaction():
        order = _bought(world, one.member_id, "A1")
        session.expunge_all()
    beside(app, _late(world, one.code), _back(world, order))
    with transaction():
        assert _spent(campaign_id) == 500 - 333
    assert broken("coupons.") == []


def test_twin_a_refund_beside_a_late_receipt(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither sees the other: the discount of goods that went back stands for ever."""
    monkeypatch.setattr(coupon_orders, "lock_name", lambda _: None)
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    with transaction():
        order = _bought(world, one.member_id, "A1")
        session.expunge_all()
    with transaction():
        _late(world, one.code)()
        at_once(app, [_back(world, order)])
    with transaction():
        assert _spent(campaign_id) == 500
