"""What orders give, and what is taken back when an order does not stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from at_once import beside
from coupon_factories import campaign, redeem
from factories import World, make_world
from gift_show import rule, wallet
from invariants import broken
from loyalty import an_order
from merging import members, merge
from sqlalchemy import select

from app.core import clock, ids
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import Coupon
from app.flows.order_paid import order_paid
from app.sales import refunds
from app.sales.refunds import BackLine, RefundData
from app.sales.rules import OrderData


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken() == []


class TestOrders:
    @pytest.fixture(autouse=True)
    def known(self) -> None:
        self.orders: dict[str, OrderData] = {}

    def pay(self, world: World, member_id: int, fen: int, no: str = "A1") -> int:
        order = self.orders.setdefault(no, an_order(no, fen, store_id=world.store.id))
        with transaction():
            return order_paid(brand_id=world.brand_id, member_id=member_id, order=order).order_id

    def refund(self, world: World, member_id: int, order_id: int, fen: int, no: str = "R1") -> None:
        with transaction():
            refunds.record_refund(
                brand_id=world.brand_id,
                refund=RefundData(
                    source="till",
                    refund_no=no,
                    member_id=member_id,
                    order_id=order_id,
                    refunded_at=clock.now(),
                    lines=(BackLine(line_no=1, refunded_fen=fen),),
                ),
            )

    def test_from_an_amount_on_once_an_order(self, world: World, run_work: Any) -> None:
        rule(world, "order", min_fen=10_000)
        rule(world, "order", min_fen=30_000)
        (member_id,) = members(world, 1)
        self.pay(world, member_id, 9_999, "A1")
        run_work()
        assert wallet(world, member_id) == []
        self.pay(world, member_id, 10_000, "A2")
        self.pay(world, member_id, 30_000, "A3")
        run_work()
        self.pay(world, member_id, 30_000, "A3")  # uploaded again
        run_work()
        assert wallet(world, member_id) == [("order", "claimed")] * 3

    def test_a_refund_takes_it_back_as_far_as_the_rule_says(self, world: World, run_work: Any) -> None:
        rule(world, "order", min_fen=10_000)
        rule(world, "order", min_fen=10_000, keep_on_refund=True)
        (member_id,) = members(world, 1)
        order_id = self.pay(world, member_id, 15_000)
        run_work()
        self.refund(world, member_id, order_id, 5_000, "R1")
        run_work()
        assert wallet(world, member_id) == [("order", "claimed")] * 2
        self.refund(world, member_id, order_id, 1, "R2")
        run_work()
        assert sorted(wallet(world, member_id)) == [("order", "claimed"), ("order", "voided")]
        with transaction():  # for who shows it elsewhere, such as the wallet of WeChat
            assert [row.member_id for row in session.query(Outbox).filter_by(name="coupons.voided")] == [member_id]

    def test_a_refund_that_comes_before_the_gift_is_given(self, world: World, run_work: Any) -> None:
        rule(world, "order", min_fen=10_000)
        (member_id,) = members(world, 1)
        order_id = self.pay(world, member_id, 15_000)
        self.refund(world, member_id, order_id, 15_000)
        run_work()
        assert wallet(world, member_id) == []

    def test_what_was_used_stays_used(self, world: World, run_work: Any) -> None:
        rule(world, "order", min_fen=10_000)
        (member_id,) = members(world, 1)
        order_id = self.pay(world, member_id, 15_000)
        run_work()
        with transaction():
            code = session.scalars(select(Coupon.code)).one()
        redeem(world, code)
        self.refund(world, member_id, order_id, 15_000)
        run_work()
        assert wallet(world, member_id) == [("order", "redeemed")]

    def test_an_order_from_before_the_rule_gives_nothing(self, world: World, run_work: Any) -> None:
        rule(world, "order", min_fen=100)
        (member_id,) = members(world, 1)
        late = an_order("A1", 500, store_id=world.store.id, paid_at=datetime.now(UTC) - timedelta(days=2))
        with transaction():
            order_paid(brand_id=world.brand_id, member_id=member_id, order=late)
        run_work()
        assert wallet(world, member_id) == []

    def test_taken_back_from_who_the_member_is_now(self, world: World, run_work: Any) -> None:
        rule(world, "order", min_fen=10_000)
        winner, loser = members(world, 2)
        order_id = self.pay(world, loser, 15_000)
        run_work()
        merge(world, winner, loser)
        self.refund(world, winner, order_id, 15_000)
        run_work()
        assert wallet(world, winner) == [("order", "voided")]


    def give_away(self, world: World, giver: int) -> str:
        """Offer the member's open coupon to friends; the link's token."""
        with transaction():
            coupon_id = session.scalars(
                select(Coupon.coupon_id).where(Coupon.member_id == giver, Coupon.status == "claimed")
            ).one()
            return commands.token_of(
                commands.offer_transfer(brand_id=world.brand_id, member_id=giver, coupon_id=coupon_id)
            )

    def take(self, world: World, friend: int, token: str) -> None:
        with transaction():
            commands.take_transfer(brand_id=world.brand_id, member_id=friend, token=token)

    @pytest.fixture
    def bought(self, world: World, run_work: Any) -> tuple[int, int, int, int]:
        """An order whose gift may be passed on: the buyer, two friends and the order."""
        rule(world, "order", campaign(world, transferable=True), min_fen=10_000)
        buyer, friend, other = members(world, 3)
        order_id = self.pay(world, buyer, 15_000)
        run_work()
        return buyer, friend, other, order_id

    def test_what_was_passed_on_is_taken_back_from_who_has_it(self, world: World, bought: Any, run_work: Any) -> None:
        buyer, friend, other, order_id = bought
        self.take(world, friend, self.give_away(world, buyer))
        self.take(world, other, self.give_away(world, friend))
        self.give_away(world, other)
        (merged,) = members(world, 1)
        merge(world, other, merged)
        self.refund(world, buyer, order_id, 15_000)
        run_work()
        assert wallet(world, buyer) == [("order", "voided")]
        assert wallet(world, friend) == wallet(world, other) == [("friend", "voided")]

    def test_what_a_friend_used_stays_used(self, world: World, bought: Any, run_work: Any) -> None:
        buyer, friend, _, order_id = bought
        self.take(world, friend, self.give_away(world, buyer))
        with transaction():
            code = session.scalars(select(Coupon.code).where(Coupon.member_id == friend)).one()
        redeem(world, code)
        self.refund(world, buyer, order_id, 15_000)
        run_work()
        assert wallet(world, friend) == [("friend", "redeemed")]

    @pytest.mark.parametrize("friend_first", [True, False])
    def test_a_friend_takes_it_while_it_is_taken_back(
        self, app: Any, world: World, bought: Any, run_work: Any, friend_first: bool
    ) -> None:
        buyer, friend, _, order_id = bought
        token = self.give_away(world, buyer)

        def take() -> None:
            commands.take_transfer(brand_id=world.brand_id, member_id=friend, token=token)

        def take_back() -> None:
            rules = queries.gift_rules(world.brand_id, "order")
            occasion = ids.encode("ord", order_id)
            commands.take_back_gift(
                brand_id=world.brand_id, member_id=buyer, kind="order", occasion=occasion, rules=rules
            )

        def alone(work: Any) -> None:
            with transaction():
                work()

        if friend_first:
            assert beside(app, take, lambda: alone(take_back)) == [None]
            assert wallet(world, friend) == [("friend", "voided")]
        else:
            assert beside(app, take_back, lambda: alone(take)) == ["transfer_ended"]
            assert wallet(world, friend) == []
        assert wallet(world, buyer) == [("order", "voided")]
