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
from app.coupons import commands, desk
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


def _press(who: Cashier, key: str, *codes: str) -> int:
    with context.correlated(context.new_correlation_id()):
        return run(lambda: cash_desk.redeem(cashier=who, key=key, codes=codes, order=ORDER))


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


def test_twin_without_a_key_each_press_writes_a_slip(app: Any, world: World, who: Cashier) -> None:
    """What the key is for: by the coupon alone each further press would be refused as of a coupon used by others, and
    the cashier could not tell whether they or somebody else used it.
    """
    mine = coupon(world)
    answers = at_once(app, [lambda: _press(who, f"key-{ids.new_id()}", mine.code)] * HANDS)
    assert len([one for one in answers if isinstance(one, int)]) == 1
    assert set(answers) & {"coupon_redeemed", "busy"}


def test_two_desks_want_one_coupon_and_one_slip_gets_it(app: Any, world: World, who: Cashier) -> None:
    mine = coupon(world)
    answers = at_once(app, [lambda no=no: _press(who, f"form-{no:04}", mine.code) for no in range(HANDS)])
    refused = Counter(one for one in answers if isinstance(one, str))
    assert sum(refused.values()) == HANDS - 1 and set(refused) <= {"coupon_redeemed", "busy"}
    with transaction():
        (row,) = session.query(Redemption)
        found = desk.listed(world.brand_id, who.store.id, *cash_desk.day(clock.now(), who.timezone))
        assert [one.redemption.redemption_id for slip in found for one in slip] == [row.redemption_id]
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


def test_two_desks_want_two_coupons_the_other_way_round(app: Any, world: World, who: Cashier) -> None:
    """Each wants both: one gets both, nobody one, and nobody waits for ever."""
    one, two = (coupon(world, stack_group=group) for group in ("a", "b"))
    orders = [(one.code, two.code), (two.code, one.code)] * (HANDS // 2)
    answers = at_once(
        app, [lambda n=n, codes=codes: _press(who, f"form-{n:04}", *codes) for n, codes in enumerate(orders)]
    )
    assert len([answer for answer in answers if isinstance(answer, int)]) == 1
    assert {answer for answer in answers if isinstance(answer, str)} <= {
        "coupon_redeemed",
        "coupon_not_stackable",
        "busy",
    }
    with transaction():
        assert session.query(Redemption).count() == 2
    assert broken() == []


def test_twin_a_redemption_without_its_slip_is_found(app: Any, world: World, who: Cashier) -> None:
    """What writing both in one transaction is for."""
    mine = coupon(world)
    with transaction():
        commands.redeem_order(till=who.till, codes=[mine.code], order_no="A1", lines=ORDER.lines)
    assert {finding.name for finding in broken()} == {"coupons.desk_redemptions_have_their_slip"}
