"""Receipts that are told later: by clocks that are a little wrong, of holds and orders that ended since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import BASKET, body, campaign, coupon, fresh, key, post, redeem, till
from factories import World, make_world
from invariants import broken

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.models import OfflineQuota, OfflineReceipt


@pytest.fixture
def world(app: Any) -> World:
    made = make_world()
    with transaction():
        commands.set_offline_limit(brand_id=made.brand_id, store_id=made.store.id, limit_fen=50_000)
    return made


def told(
    world: World, code: str, *, at: datetime | None = None, order_no: str = "A1", receipt_no: str = "R1"
) -> tuple[str, str, int]:
    """What becomes of a receipt: outcome, reason, fen."""
    receipt = commands.Receipt(receipt_no, code, order_no, BASKET, at or clock.now(), receipt_no.encode())
    with transaction():
        row = commands.take_receipt(till=till(world), receipt=receipt).row
        return row.outcome, row.reason, row.discount_fen


def charged() -> int:
    with transaction():
        return sum(one.used_fen for one in session.query(OfflineQuota))


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"])
def test_a_till_without_a_clock_stops_no_other_receipt(client: Any, world: World, at: str) -> None:
    """The first moment of the calendar is what some tills write for none."""
    one, other = coupon(world), coupon(world)
    good = {"order_no": "A1", "taken_at": clock.now().isoformat(), "lines": body("x")["lines"]}
    receipts = [
        good | {"receipt_no": "R1", "code": one.code, "taken_at": at},
        good | {"receipt_no": "R2", "code": other.code},
    ]
    for _ in range(2):
        answer = post(client, world, "order-coupons/offline", {"store": "S001", "receipts": receipts})
        assert answer.status_code == 200
        assert [each["outcome"] for each in answer.json["receipts"]] == ["refused", "redeemed"]
    with transaction():
        kept = {row.receipt_no: row.taken_at for row in session.query(OfflineReceipt)}
    assert datetime(1979, 1, 1, tzinfo=UTC) < kept["R1"] < clock.now() + timedelta(days=30)


def test_a_till_with_a_slow_clock_takes_a_coupon_that_was_just_claimed(world: World) -> None:
    one = coupon(world)
    assert told(world, one.code, at=clock.now() - timedelta(minutes=3)) == ("redeemed", "", 500)
    assert fresh(world, one.member_id, one.coupon_id).status == "redeemed" and broken() == []


def test_a_till_with_a_fast_clock_takes_a_coupon_before_its_last_midnight(world: World) -> None:
    evening = datetime(2027, 3, 2, 15, 58, tzinfo=UTC)  # two minutes before midnight in Shanghai
    with time_machine.travel(evening - timedelta(days=1), tick=False):
        one = coupon(world, valid_days=2)
    with time_machine.travel(evening + timedelta(hours=1), tick=False):
        assert told(world, one.code, at=evening + timedelta(minutes=4)) == ("redeemed", "", 500)
    assert broken() == []


@pytest.mark.parametrize("minutes", [-6, 6])
def test_clocks_may_not_be_further_apart(world: World, minutes: int) -> None:
    evening = datetime(2027, 3, 2, 16, tzinfo=UTC)
    with time_machine.travel(evening - timedelta(days=1), tick=False):
        one = coupon(world, valid_days=1)
    edge = one.valid_from if minutes < 0 else one.valid_to
    with time_machine.travel(evening + timedelta(days=1), tick=False):
        assert told(world, one.code, at=edge + timedelta(minutes=minutes))[0] == "conflict"


@pytest.mark.parametrize("swept", [True, False])
def test_a_hold_that_ended_since_is_no_conflict(world: World, swept: bool) -> None:
    """Another cart held the coupon after the till took it, and gave it up: whether that was swept already or not."""
    with time_machine.travel(clock.now() - timedelta(hours=3), tick=True):
        one = coupon(world)
    with time_machine.travel(clock.now() - timedelta(hours=1), tick=True), transaction():
        commands.lock_order(till=till(world), codes=[one.code], order_no="CART", lines=BASKET, minutes=15)
    if swept:
        with transaction():
            commands.release_ended_locks()
    assert told(world, one.code, at=clock.now() - timedelta(hours=2)) == ("redeemed", "", 500)
    assert fresh(world, one.member_id, one.coupon_id).status == "redeemed" and broken() == []


def test_an_order_that_holds_the_coupon_now_keeps_it(world: World) -> None:
    one = coupon(world)
    with transaction():
        commands.lock_order(till=till(world), codes=[one.code], order_no="CART", lines=BASKET, minutes=15)
    assert told(world, one.code) == ("conflict", "coupon_locked", 500)


def test_the_code_that_was_shown_when_the_order_began_to_hold_it_stays_good(world: World) -> None:
    """Held at a till, the line went down, paid within the hold: the code is old by then."""
    start = clock.now() - timedelta(hours=2)
    with time_machine.travel(start - timedelta(hours=1), tick=False):
        one = coupon(world)
    with time_machine.travel(start, tick=False), transaction():
        shown, _ = codes.rotating(one.code, start)
        commands.lock_order(till=till(world), codes=[shown], order_no="A1", lines=BASKET, minutes=60)
    with time_machine.travel(start + timedelta(minutes=61), tick=False), transaction():
        commands.release_ended_locks()
    for order_no, minutes in (("A2", 20), ("A1", 62)):
        at = start + timedelta(minutes=minutes)
        assert told(world, shown, at=at, order_no=order_no, receipt_no=order_no + "x")[1] == "code_expired"
    assert told(world, shown, at=start + timedelta(minutes=20)) == ("redeemed", "", 500)


@pytest.mark.parametrize(
    ("returns", "cancelled", "outcome"), [("never", False, "redeemed"), ("never", True, "conflict")]
)
def test_a_receipt_of_what_was_used_online_and_refunded_charges_nothing(
    world: World, returns: str, cancelled: bool, outcome: str
) -> None:
    """Only the answer was lost. What was cancelled came to nothing: used elsewhere since, it is a conflict."""
    one = coupon(world, campaign(world, returns=returns))
    done = redeem(world, one.code, order_no="A1")
    with transaction():
        if cancelled:
            commands.give_back(brand_id=world.brand_id, redemption_id=done.redemption_id)
        else:
            commands.refund(
                brand_id=world.brand_id, redemption_id=done.redemption_id, refund_no="B1", lines=[(1, 1), (2, 2)]
            )
    if cancelled:
        redeem(world, one.code, order_no="ELSE")
    assert told(world, one.code)[0] == outcome
    assert charged() == (500 if cancelled else 0)


def test_conflicts_of_one_order_charge_no_more_than_it_cost(world: World) -> None:
    first, second, third = (coupon(world, amount_fen=2_500) for _ in range(3))
    assert told(world, first.code, receipt_no="R1") == ("redeemed", "", 2_500)
    assert told(world, second.code, receipt_no="R2") == ("conflict", "coupon_not_stackable", 500)
    assert told(world, third.code, receipt_no="R3") == ("refused", "coupon_not_applicable", 0)
    assert charged() == 500


def test_a_mall_order_of_the_same_number_is_another(world: World) -> None:
    one = coupon(world)
    in_mall = till(world)._replace(channel="mall", source="mall")
    commands.redeem(till=in_mall, key=key(), code=one.code, order_no="0001", lines=BASKET)
    assert told(world, one.code, order_no="0001") == ("conflict", "coupon_redeemed", 500)


