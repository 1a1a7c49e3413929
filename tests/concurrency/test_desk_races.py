"""The cash desk under many hands: a button pressed by several at once, and an undo beside another."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from threading import Barrier
from typing import Any

import psycopg
import pytest
from at_once import at_once
from console_world import make_admins
from coupon_factories import coupon, fresh
from factories import World, make_world
from invariants import broken

from app.core import audit, clock, context, hot, ids
from app.core.db import session
from app.core.transaction import run, transaction
from app.coupons import desk
from app.coupons.models import Redemption
from app.flows import cash_desk
from app.flows.cash_desk import Cashier, Order

HANDS = 16


@pytest.fixture
def world(app: Any) -> Iterator[World]:
    settings = app.extensions["siyu"]
    hot.configure(settings.database_url, HANDS)
    yield make_world()
    hot.configure(settings.database_url, settings.hot_pool_size)


@pytest.fixture
def who(world: World) -> Cashier:
    return Cashier(admin_id=make_admins(world)["store"].id, store=world.stores[1], timezone="Asia/Shanghai")


ORDER = Order(order_no="A1", lines=cash_desk.basket(amount_fen=9900))


def _press(who: Cashier, key: str, code: str) -> int:
    with context.correlated(context.new_correlation_id()):
        slip = run(lambda: cash_desk.begin(cashier=who, key=key, order=ORDER))
        return cash_desk.redeem(cashier=who, slip=slip, code=code, order=ORDER).redemption_id


def _undo(who: Cashier, slip_id: int) -> bool:
    return bool(run(lambda: cash_desk.undo(cashier=who, slip_id=slip_id, reason="fault")))


def test_one_form_pressed_by_many_hands_is_one_slip_and_one_redemption(app: Any, world: World, who: Cashier) -> None:
    mine = coupon(world)
    answers = at_once(app, [lambda: _press(who, "one-form", mine.code)] * HANDS)
    assert len(set(answers)) == 1
    with transaction():
        assert session.query(Redemption).count() == session.query(desk.DeskSlip).count() == 1
        assert len(audit.entries(actors=None, limit=9)) == 1
    assert broken() == []


def test_twin_looking_for_the_slip_first_writes_several(app: Any, world: World, who: Cashier) -> None:
    """What the slip's unique key is for: without it each hand sees no slip yet and writes its own."""
    hands, gate = 8, Barrier(8)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("ALTER TABLE desk_slip DROP CONSTRAINT uq_desk_slip_brand_id_store_id_key")

    def naive() -> bool:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            found = connection.execute("SELECT FROM desk_slip WHERE key = 'one-form'").fetchone()
            gate.wait(30)
            if found is None:
                connection.execute(
                    "INSERT INTO desk_slip (brand_id, store_id, slip_id, key, admin_id, order_no, amount_fen,"
                    " created_at, correlation_id) VALUES (%s, %s, %s, 'one-form', %s, 'A1', 9900, %s, 'cor_twin')",
                    (world.brand_id, who.store.id, ids.new_id(), who.admin_id, clock.now()),
                )
            return found is None

    try:
        assert sum(at_once(app, [naive] * hands)) == hands
    finally:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DELETE FROM desk_slip")
            connection.execute(
                "ALTER TABLE desk_slip ADD CONSTRAINT uq_desk_slip_brand_id_store_id_key"
                " UNIQUE (brand_id, store_id, key)"
            )


def test_two_desks_want_one_coupon_and_one_slip_gets_it(app: Any, world: World, who: Cashier) -> None:
    mine = coupon(world)
    answers = at_once(app, [lambda no=no: _press(who, f"form-{no:04}", mine.code) for no in range(HANDS)])
    refused = Counter(one for one in answers if isinstance(one, str))
    assert sum(refused.values()) == HANDS - 1 and set(refused) <= {"coupon_redeemed", "busy"}
    with transaction():
        (row,) = session.query(Redemption)
        found = desk.listed(world.brand_id, who.store.id, *cash_desk.day(clock.now(), who.timezone))
        assert [one.redemption.redemption_id for one in found] == [row.redemption_id]
    assert broken() == []


def test_many_hands_undo_one_slip_and_one_does(app: Any, world: World, who: Cashier) -> None:
    mine = coupon(world)
    _press(who, "one-form", mine.code)
    with transaction():
        slip_id = session.query(desk.DeskSlip).one().slip_id
    answers = at_once(app, [lambda: _undo(who, slip_id)] * HANDS)
    assert answers.count(True) == 1
    assert set(answers) <= {True, "redemption_returned", "busy"}
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned"
    with transaction():
        actions = Counter(entry.action for entry in audit.entries(actors=None, limit=99))
    assert actions == {"desk.redeem": 1, "desk.undo": 1}
    assert broken() == []


def test_twin_an_undo_that_looks_first_gives_a_coupon_back_twice(app: Any, world: World, who: Cashier) -> None:
    """What the conditional updates are for: undone by several, each would note its own return of the coupon."""
    mine = coupon(world)
    _press(who, "one-form", mine.code)
    hands, gate = 8, Barrier(8)

    def naive() -> bool:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            found = connection.execute("SELECT undone_at FROM desk_slip").fetchone()
            gate.wait(30)
            if found != (None,):
                return False
            connection.execute("UPDATE desk_slip SET undone_at = now(), undone_by = 1, undo_reason = 'fault'")
            connection.execute("UPDATE redemption SET returned_at = now()")
            connection.execute("UPDATE coupon SET status = 'returned'")
            connection.execute(
                "INSERT INTO coupon_event (brand_id, member_id, coupon_id, event_id, from_status, to_status, cause, at,"
                " correlation_id) VALUES (%s, %s, %s, %s, 'redeemed', 'returned', 'return', now(), 'cor_twin')",
                (world.brand_id, mine.member_id, mine.coupon_id, ids.new_id()),
            )
            return True

    assert sum(at_once(app, [naive] * hands)) == hands
    assert "coupons.status_is_the_replay_of_events" in {finding.name for finding in broken()}


def test_a_press_that_died_before_the_redemption_is_finished_by_the_next(app: Any, world: World, who: Cashier) -> None:
    """The slip stands, nothing was redeemed; the same form redeems, and the two belong to each other."""
    mine = coupon(world)
    with transaction():
        cash_desk.begin(cashier=who, key="one-form", order=ORDER)
    assert fresh(world, mine.member_id, mine.coupon_id).status == "claimed"
    _press(who, "one-form", mine.code)
    assert fresh(world, mine.member_id, mine.coupon_id).status == "redeemed"
    with transaction():
        (slip,) = session.query(desk.DeskSlip)
        assert session.query(Redemption).one().correlation_id == slip.correlation_id
    assert broken() == []


def test_twin_without_the_slips_correlation_a_redemption_has_no_slip(app: Any, world: World, who: Cashier) -> None:
    mine = coupon(world)
    with transaction():
        slip = cash_desk.begin(cashier=who, key="one-form", order=ORDER)
    slip.correlation_id = "cor_another_one"  # of the object in hand, as if each press went by its own
    session.expunge(slip)
    cash_desk.redeem(cashier=who, slip=slip, code=mine.code, order=ORDER)
    assert {finding.name for finding in broken()} == {"coupons.desk_redemptions_have_their_slip"}
