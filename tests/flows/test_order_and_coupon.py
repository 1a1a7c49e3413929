"""Whose order a coupon was used on, and what becomes of it, whatever the till told of its member and coupons."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from at_once import at_once
from coupon_factories import BASKET, body, campaign, coupon, fresh, key, post, redeem, till
from factories import World, make_world
from invariants import broken
from merging import members, merge, split

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.errors import OrderUploaded
from app.coupons.models import CampaignBudget
from app.flows import cash_desk, coupon_orders, erase
from app.flows.order_paid import Paid, order_paid
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members.commands import join
from app.sales.errors import OrderMismatch
from app.sales.events import OrderRefunded
from app.sales.models import SalesOrder
from app.sales.refunds import BackLine, RefundData, record_refund
from app.sales.rules import LineData, OrderData
from app.tiers import queries as tiers


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def order(world: World, order_no: str, off: tuple[int, int] = (333, 167)) -> OrderData:
    lines = tuple(
        LineData(
            line_no=one.line_no,
            sku=one.sku,
            name=one.sku,
            category=one.category,
            quantity=one.quantity,
            unit_fen=one.amount_fen // one.quantity,
            amount_fen=one.amount_fen,
            discount_fen=fen,
        )
        for one, fen in zip(BASKET, off, strict=True)
    )
    return OrderData(
        source="till:S001", order_no=order_no, store_id=world.store.id, paid_at=clock.now(), lines=lines
    )


def upload(world: World, told: OrderData, member_id: int | None = None, *redemptions: int) -> Paid:
    with transaction():
        return order_paid(brand_id=world.brand_id, member_id=member_id, order=told, redemptions=redemptions)


def back(world: World, paid: Paid, *lines: tuple[int, int, int]) -> None:
    """The order's lines (line, quantity, fen) go back."""
    with transaction():
        at = session.query(SalesOrder).filter_by(order_id=paid.order_id).one()
        data = RefundData(
            source="till:S001",
            refund_no=f"B{ids.new_id()}",
            member_id=at.member_id,
            order_id=paid.order_id,
            refunded_at=clock.now(),
            lines=tuple(BackLine(line_no=no, quantity=quantity, refunded_fen=fen) for no, quantity, fen in lines),
        )
        done = record_refund(brand_id=world.brand_id, refund=data)
        event = OrderRefunded(
            brand_id=world.brand_id,
            member_id=None,
            order_id=paid.order_id,
            refund_id=done.refund_id,
            refunded_fen=0,
            left_fen=0,
        )
    with transaction():
        coupon_orders.on_refund(event)


def spent(campaign_id: int) -> int:
    with transaction():
        return session.get_one(CampaignBudget, campaign_id, populate_existing=True).spent_fen


def cancelled(world: World, redemption_id: int) -> None:
    with transaction():
        coupon_orders.cancel(brand_id=world.brand_id, redemption_id=redemption_id)


def test_a_walk_in_order_keeps_the_coupon_that_was_used_on_it(client: Any, world: World) -> None:
    """The till named neither member nor coupons; a cancel would let the discount be had twice."""
    one = coupon(world)
    used = post(client, world, "redemptions", body(one.code, "A1"), idempotency_key="redeem-A1").json
    lines = [
        {"line_no": 1, "sku": "SKU-1", "name": "n", "quantity": 1, "unit_fen": 2000, "amount_fen": 2000},
        {"line_no": 2, "sku": "SKU-2", "name": "n", "quantity": 2, "unit_fen": 500, "amount_fen": 1000},
    ]
    off = [line | {"discount_fen": fen} for line, fen in zip(lines, (333, 167), strict=True)]
    paid = {"order_no": "A1", "store": "S001", "paid_at": clock.now().isoformat(), "lines": off}
    assert post(client, world, "orders", paid, idempotency_key="order-A1").status_code == 200
    answer = post(client, world, f"redemptions/{used['redemption']}/return", {}, idempotency_key="return-A1")
    assert (answer.status_code, answer.json["code"]) == (409, "order_uploaded")
    assert fresh(world, one.member_id, one.coupon_id).status == "redeemed"


def test_the_order_of_another_member_keeps_it_too(world: World) -> None:
    one = coupon(world)
    done = redeem(world, one.code, order_no="A1")
    upload(world, order(world, "A1"), ids.new_id())
    with pytest.raises(OrderUploaded):
        cancelled(world, done.redemption_id)


def test_after_a_split_the_order_still_keeps_its_coupon(world: World) -> None:
    """The coupon went home to the one, the order stays with the other."""
    winner, loser = members(world, 2)
    one = coupon(world, member_id=loser)
    merge(world, winner, loser)
    done = redeem(world, one.code, order_no="A1")
    upload(world, order(world, "A1"), winner, done.redemption_id)
    split(world, loser)
    with pytest.raises(OrderUploaded):
        cancelled(world, done.redemption_id)
    assert broken() == []


@pytest.mark.parametrize("refund_first", [True, False])
def test_a_late_receipt_of_a_walk_in_order_that_went_back(world: World, refund_first: bool) -> None:
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    paid = upload(world, order(world, "A1"))
    receipt = commands.Receipt("R-1", one.code, "A1", BASKET, clock.now(), b"1")
    if refund_first:
        back(world, paid, (1, 1, 1_667), (2, 2, 833))
    with transaction():
        assert coupon_orders.take_receipt(till=till(world), receipt=receipt).row.outcome == "redeemed"
    if not refund_first:
        back(world, paid, (1, 1, 1_667), (2, 2, 833))
    assert spent(campaign_id) == 0 and broken("coupons.") == []


def test_an_order_that_is_given_back_as_a_sum_gives_its_coupon_back(world: World) -> None:
    """Who refunds all of the money need not say how many of what."""
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    done = redeem(world, one.code, order_no="A1")
    paid = upload(world, order(world, "A1"), one.member_id, done.redemption_id)
    back(world, paid, (1, 0, 1_667))
    assert spent(campaign_id) == 500
    back(world, paid, (2, 0, 833))
    assert spent(campaign_id) == 0 and fresh(world, one.member_id, one.coupon_id).status == "returned"


def test_an_order_that_coupons_paid_whole_is_over_when_its_goods_are_back(world: World) -> None:
    """There is no money to refund; at the desk only the order's sum was known."""
    campaign_id = campaign(world, budget_fen=10_000, amount_fen=3_000)
    one = coupon(world, campaign_id)
    at_desk = till(world)._replace(channel="desk", source="desk")
    basket = cash_desk.basket(amount_fen=3_000)
    commands.redeem(till=at_desk, key=key(), code=one.code, order_no="A1", lines=basket)
    paid = upload(world, order(world, "A1", off=(2_000, 1_000)), one.member_id)
    back(world, paid, (1, 1, 0))
    assert spent(campaign_id) == 3_000
    back(world, paid, (2, 2, 0))
    assert spent(campaign_id) == 0


def test_a_merge_beside_a_refund_gives_back_what_went_back(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order moves to the other member after the refund was looked up and before its lines are read."""
    winner, loser = members(world, 2)
    campaign_id = campaign(world, budget_fen=10_000)
    done = redeem(world, coupon(world, campaign_id, member_id=loser).code, order_no="A1")
    paid = upload(world, order(world, "A1"), loser, done.redemption_id)
    real, merges = coupon_orders.alone, [lambda: merge(world, winner, loser)]

    def alone(*order: Any) -> None:
        while merges:
            at_once(app, [merges.pop()])
        real(*order)

    monkeypatch.setattr(coupon_orders, "alone", alone)
    back(world, paid, (2, 1, 417))
    assert not merges and spent(campaign_id) == 500 - 83
    assert broken("coupons.") == []


def test_a_number_that_begins_anew_is_another_order(world: World) -> None:
    """Receipts are numbered from 0001 every so often; an import may hold them all."""
    campaign_id = campaign(world, budget_fen=10_000)
    one, other = coupon(world, campaign_id), coupon(world, campaign_id)
    old = replace(order(world, "0001", off=(0, 0)), paid_at=clock.now() - timedelta(days=900))
    upload(world, old, one.member_id)
    cancelled(world, redeem(world, one.code, order_no="0001").redemption_id)
    before = upload(world, replace(old, order_no="0002"), one.member_id)
    back(world, before, (1, 1, 2_000), (2, 2, 1_000))
    receipt = commands.Receipt("R-1", other.code, "0002", BASKET, clock.now(), b"1")
    with transaction():
        assert coupon_orders.take_receipt(till=till(world), receipt=receipt).row.outcome == "redeemed"
    assert spent(campaign_id) == 500


def test_the_late_order_of_a_forgotten_member_raises_nobody(world: World) -> None:
    with transaction():
        person_id = identity.link(ids=[Identity("openid", "wx1", "o-1")], source="test").person_id
        member_id = join(brand_id=world.brand_id, person_id=person_id, source="miniapp")
    done = redeem(world, coupon(world, member_id=member_id).code, order_no="A1")
    with transaction():
        erase.erase(brand_id=world.brand_id, member_id=member_id, actor="adm_1", reason="本人要求")
    assert not upload(world, order(world, "A1"), None, done.redemption_id).upgraded
    with transaction():
        assert tiers.current(world.brand_id, member_id) is None
    assert broken() == []


def test_an_order_of_the_mall_has_no_coupon_of_the_till(world: World) -> None:
    """Both have an order A1."""
    one = coupon(world)
    done = redeem(world, one.code, order_no="A1")
    in_mall = replace(order(world, "A1"), channel="mall", source="mall:S001")
    with pytest.raises(OrderMismatch):
        upload(world, in_mall, one.member_id, done.redemption_id)
