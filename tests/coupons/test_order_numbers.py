"""Stores number their orders themselves, a till and its desk together, the mall apart."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from coupon_factories import BASKET, coupon, key, redeem, till
from factories import World, make_world
from invariants import broken
from sqlalchemy import text

from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.errors import CouponLocked, CouponNotStackable, NotHeld


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def test_an_order_of_another_store_with_the_same_number_does_not_hold_the_coupon(world: World) -> None:
    one = coupon(world)
    mall = till(world)._replace(channel="mall", source="mall")
    with transaction():
        commands.lock_order(till=till(world), codes=[one.code], order_no="0001", lines=BASKET, minutes=15)
    for elsewhere in (till(world, 1), mall):
        with pytest.raises(CouponLocked):
            commands.redeem(till=elsewhere, key=key(), code=one.code, order_no="0001", lines=BASKET)
        with pytest.raises(NotHeld), transaction():
            commands.release_order(till=elsewhere, codes=[one.code], order_no="0001")
    at_desk = till(world)._replace(channel="desk", source="desk")
    assert commands.redeem(till=at_desk, key=key(), code=one.code, order_no="0001", lines=BASKET).discount_fen == 500


def test_till_and_desk_take_off_one_order_together(world: World) -> None:
    """The receipt's number is typed at the desk: coupons there go with those of the till, or do not."""
    at_desk = till(world)._replace(channel="desk", source="desk")
    alone = [coupon(world, amount_fen=2_500) for _ in range(2)]
    redeem(world, alone[0].code, order_no="A1")
    with pytest.raises(CouponNotStackable):
        commands.redeem(till=at_desk, key=key(), code=alone[1].code, order_no="A1", lines=BASKET)
    first, second = (coupon(world, amount_fen=2_500, stack_group=group) for group in ("a", "b"))
    used = commands.redeem(till=at_desk, key=key(), code=first.code, order_no="A2", lines=BASKET)
    assert redeem(world, second.code, order_no="A2").discount_fen == 500
    assert queries.before(at_desk, "A2") == queries.before(till(world), "A2")
    assert broken("coupons.order") == []
    with transaction():
        commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id)
    assert queries.before(till(world), "A2").discount_fen == 500
    assert broken("coupons.order") == []


def test_what_was_counted_apart_before_is_one_order_without_a_contradiction(world: World) -> None:
    """Each had a coupon that goes with no other, on what are two counters no longer."""
    migration = importlib.import_module("migrations.versions.0031_order_counters")
    migration.op = SimpleNamespace(execute=lambda statement: session.execute(text(statement)))  # type: ignore[attr-defined]
    at_desk = till(world)._replace(channel="desk", source="desk")
    redeem(world, coupon(world).code, order_no="X")
    used = commands.redeem(till=at_desk, key=key(), code=coupon(world).code, order_no="Y", lines=BASKET)
    with transaction():
        session.execute(text("UPDATE redemption SET order_no = 'X' WHERE order_no = 'Y'"))
        session.execute(text("UPDATE order_discount SET order_no = 'X', source = 'desk' WHERE order_no = 'Y'"))
        migration.upgrade()
    assert queries.before(till(world), "X").discount_fen == 1_000 and broken("coupons.order", "coupons.coupons") == []
    with transaction():
        commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id)
    assert queries.before(till(world), "X").discount_fen == 500 and broken("coupons.order", "coupons.coupons") == []
