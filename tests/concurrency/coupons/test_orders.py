"""Orders with several coupons at once, and processes that die; each with a twin that shows what its guard is for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import time_machine
from at_once import at_once
from coupon_crowds import ORDER, Unguarded, module, redemptions, refused, transacted, won
from coupon_factories import BASKET, campaign, coupon, fresh, redeem, till
from factories import World
from invariants import broken

from app.core import clock
from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import CampaignBudget, Coupon

TESTS = Path(__file__).parents[2]


def pair(world: World) -> tuple[Coupon, Coupon]:
    """Two coupons of one member that go together."""
    first = coupon(world, amount_fen=100, stack_group="a")
    return first, coupon(world, amount_fen=100, stack_group="b", member_id=first.member_id)


def redeem_order(world: World, *codes: str, order_no: str) -> Callable[[], Any]:
    return lambda: commands.redeem_order(till=till(world), codes=codes, order_no=order_no, lines=BASKET)


def lock_order(world: World, *codes: str, order_no: str) -> Callable[[], Any]:
    return lambda: commands.lock_order(till=till(world), codes=codes, order_no=order_no, lines=BASKET)


def states(world: World, *coupons: Coupon) -> list[str]:
    return [fresh(world, one.member_id, one.coupon_id).status for one in coupons]


@pytest.mark.parametrize(("what", "then"), [(redeem_order, "redeemed"), (lock_order, "locked")])
def test_locks_taken_in_opposite_order(
    app: Any, world: World, deadlocks: list[str], what: Callable[..., Any], then: str
) -> None:
    """Orders that name the same coupons in opposite orders: one has both, and nobody waits for each other."""
    for turn in range(3):
        first, second = pair(world)
        names = [(first.code, second.code), (second.code, first.code)] * 4
        results = at_once(
            app, [transacted(what(world, *codes, order_no=f"O{turn}-{no}")) for no, codes in enumerate(names)]
        )
        assert len(won(results)) == 1 and set(refused(results)) <= {"coupon_redeemed", "coupon_locked", "busy"}
        assert states(world, first, second) == [then, then]
    assert deadlocks == []
    assert broken() == []


def test_twin_locks_taken_in_opposite_order(
    app: Any, world: World, deadlocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes its coupons as they were named, and not its second one before both have their first."""
    first, second = pair(world)
    use, gate, begun = module(ORDER)._use, Barrier(2), set()

    def use_then_wait(till: Any, order_no: str, *asked: Any) -> Any:
        done = use(till, order_no, *asked)
        if order_no not in begun:
            begun.add(order_no)
            gate.wait(10)
        return done

    monkeypatch.setattr(module(ORDER), "_use", use_then_wait)
    monkeypatch.setattr(module(ORDER), "_ascending", lambda _, usable: usable)
    by_position = commands.OrderQuote.usable
    as_named = lambda quote: by_position(quote) and [answer.priced for answer in quote.answers]  # noqa: E731
    monkeypatch.setattr(commands.OrderQuote, "usable", as_named)
    orders = {"O1": (first.code, second.code), "O2": (second.code, first.code)}
    at_once(app, [transacted(redeem_order(world, *codes, order_no=no)) for no, codes in orders.items()])
    assert len(deadlocks) == 1


def test_holding_and_letting_go_of_two_members_coupons_never_wait_for_each_other(
    app: Any, world: World, deadlocks: list[str]
) -> None:
    """The coupons of an order may be of two members; the older coupon is the younger member's."""
    younger, older = 2_000_000_000_000, 1_000_000_000_000
    first = coupon(world, amount_fen=100, stack_group="a", member_id=younger)
    second = coupon(world, amount_fen=100, stack_group="b", member_id=older)
    codes = (first.code, second.code)
    let_go = lambda: commands.release_order(till=till(world), codes=codes, order_no="O1")  # noqa: E731
    for _ in range(8):
        at_once(app, [transacted(lock_order(world, *codes, order_no="O1")), transacted(let_go)] * 4)
    assert deadlocks == []
    assert broken() == []


def test_a_budget_and_an_order_are_taken_in_one_order(app: Any, world: World, deadlocks: list[str]) -> None:
    """Coupons of campaigns with budgets used one by one and together, for one order, at the same moment."""
    groups = ("a", "b")
    campaigns = [campaign(world, amount_fen=100, stack_group=group) for group in groups]
    with transaction():
        for campaign_id in campaigns:
            queries.campaign(world.brand_id, campaign_id).budgeted = True
            session.add(CampaignBudget(campaign_id=campaign_id, brand_id=world.brand_id, budget_fen=9_000, spent_fen=0))
    for turn in range(8):
        alone = [coupon(world, campaign_id) for campaign_id in campaigns * 2]
        together = [[coupon(world, campaign_id) for campaign_id in order] for order in (campaigns, campaigns[::-1]) * 2]
        works = [lambda one=one, turn=turn: redeem(world, one.code, order_no=f"O{turn}") for one in alone]
        works += [
            transacted(redeem_order(world, *(one.code for one in pair), order_no=f"O{turn}")) for pair in together
        ]
        results = at_once(app, works)
        assert 1 <= len(won(results)) <= 2 and set(refused(results)) == {"coupon_not_stackable"}
    assert deadlocks == []
    assert broken() == []


def _killed(world: World, *codes: str, order_no: str, at: str) -> None:
    """A process serves an order and is killed on the way; see hands.py."""
    command = [sys.executable, str(TESTS / "hands.py"), "order", str(world.brand_id), str(world.store.id)]
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}
    done = subprocess.run([*command, order_no, at, *codes], check=False, env=environment)
    assert done.returncode == -signal.SIGKILL


def test_kill_9_between_payment_and_redeem(world: World) -> None:
    """The order is paid and its coupons wait for it: the next process redeems them, others cannot."""
    first, second = pair(world)
    _killed(world, first.code, second.code, order_no="O1", at="paid")
    assert states(world, first, second) == ["locked", "locked"] and redemptions() == []
    with pytest.raises(SiyuError, match="holds the coupon"):
        redeem(world, first.code, order_no="O2")
    _, done = transacted(redeem_order(world, first.code, second.code, order_no="O1"))()
    assert [one.discount_fen for one in done] == [100, 100]
    assert broken() == []


def test_kill_9_between_payment_and_redeem_and_nobody_comes_back(world: World) -> None:
    first, second = pair(world)
    _killed(world, first.code, second.code, order_no="O1", at="paid")
    with time_machine.travel(clock.now() + commands.hold.HOLD + timedelta(seconds=1), tick=True):
        transacted(commands.release_ended_locks)()
        assert states(world, first, second) == ["claimed", "claimed"]
        assert broken() == []


def test_kill_9_in_the_middle_of_an_orders_coupons(world: World) -> None:
    """Nothing of it stays, and the retry does all of it."""
    first, second = pair(world)
    _killed(world, first.code, second.code, order_no="O1", at="between")
    assert states(world, first, second) == ["locked", "locked"] and redemptions() == []
    assert broken() == []
    transacted(redeem_order(world, first.code, second.code, order_no="O1"))()
    assert states(world, first, second) == ["redeemed", "redeemed"]
    assert broken() == []


def test_twin_kill_9_in_the_middle_of_an_orders_coupons(world: World, unguarded: Unguarded) -> None:
    """Each coupon committed by itself: the order has one of its two, and the retry is refused."""
    first, second = pair(world)
    _killed(world, first.code, second.code, order_no="O1", at="halves")
    assert sorted(states(world, first, second)) == ["locked", "redeemed"]
    with pytest.raises(SiyuError, match="redeemed already"):
        transacted(redeem_order(world, first.code, second.code, order_no="O1"))()


def test_twin_kill_9_between_payment_and_redeem(world: World) -> None:
    """Without the hold another order takes the coupon of one that was paid with it."""
    first, second = pair(world)
    _killed(world, first.code, second.code, order_no="O1", at="paid-unheld")
    redeem(world, first.code, order_no="O2")
    with pytest.raises(SiyuError, match="redeemed already"):
        transacted(redeem_order(world, first.code, second.code, order_no="O1"))()
