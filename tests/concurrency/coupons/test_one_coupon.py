"""One coupon that several orders want; each race has a twin that shows what its guard is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from at_once import at_once, meanwhile, until_waiting
from coupon_crowds import (
    GIVE_BACK,
    HOLD,
    ORDER,
    QUERIES,
    REDEEM,
    Unguarded,
    all_read_first,
    module,
    redemptions,
    transacted,
    won,
)
from coupon_factories import BASKET, campaign, coupon, fresh, redeem, till
from factories import World
from invariants import broken
from sqlalchemy import update

from app.core import clock, hot
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import Coupon

HANDS = 64
CAS = "AND c.status = %(from_status)s\n"
FREE = """(c.status IN ('claimed', 'returned')
         OR c.status = 'locked' AND (c.locked_order = %(holder)s OR c.locked_until <= %(held_at)s::timestamptz))"""


class Stop(Exception):
    """What an order fails with."""


def hold(world: World, one: Coupon, order_no: str) -> Callable[[], Any]:
    def work() -> None:
        commands.lock(counter=till(world), member_id=one.member_id, coupon_id=one.coupon_id, order_no=order_no)

    return transacted(work)


def redeem_order(world: World, *codes: str, order_no: str) -> Any:
    return commands.redeem_order(till=till(world), codes=codes, order_no=order_no, lines=BASKET)


def test_n_orders_one_coupon(app: Any, world: World) -> None:
    mine = coupon(world)
    results = at_once(app, [lambda no=no: redeem(world, mine.code, order_no=f"O{no}") for no in range(HANDS)])
    assert Counter(one for one in results if isinstance(one, str)) == {"coupon_redeemed": HANDS - 1}
    assert [row.order_no for row in redemptions()] == [won(results)[0].order_no]
    assert broken() == []


def test_n_orders_one_coupon_when_all_have_read_before_any_writes(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = coupon(world)
    all_read_first(monkeypatch, QUERIES, "beside_order", 16)
    results = at_once(app, [lambda no=no: redeem(world, mine.code, order_no=f"O{no}") for no in range(16)])
    assert len(won(results)) == 1 == len(redemptions())
    assert broken() == []


def test_twin_n_orders_one_coupon(app: Any, world: World, unguarded: Unguarded, monkeypatch: Any) -> None:
    mine = coupon(world)
    unguarded.without(REDEEM, "REDEEM", CAS, instead="\n")
    unguarded.without(REDEEM, "REDEEM", FREE, instead="true")
    unguarded.drop("redemption", "uq_redemption_live")
    all_read_first(monkeypatch, QUERIES, "beside_order", 16)
    results = at_once(app, [lambda no=no: redeem(world, mine.code, order_no=f"O{no}") for no in range(16)])
    assert len(won(results)) == 16 == len(redemptions())
    assert "coupons.one_live_redemption_at_most" in {finding.name for finding in broken()}


def test_the_uniqueness_of_live_redemptions_is_a_second_line(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = coupon(world)
    unguarded.without(REDEEM, "REDEEM", CAS, instead="\n")
    unguarded.without(REDEEM, "REDEEM", FREE, instead="true")
    all_read_first(monkeypatch, QUERIES, "beside_order", 16)
    results = at_once(app, [lambda no=no: redeem(world, mine.code, order_no=f"O{no}") for no in range(16)])
    assert len(won(results)) == 1 == len(redemptions())
    assert broken() == []


def test_coupon_on_two_unpaid_orders(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = coupon(world)
    all_read_first(monkeypatch, QUERIES, "owned", 8)  # as many as the session's own pool of connections holds
    results = at_once(app, [hold(world, mine, f"O{no}") for no in range(8)])
    assert results.count(None) == 1 and set(results) <= {None, "coupon_locked", "busy"}
    held = fresh(world, mine.member_id, mine.coupon_id)
    with pytest.raises(SiyuError, match="holds the coupon"):
        redeem(world, mine.code, order_no="O-other")
    assert redeem(world, mine.code, order_no=str(held.locked_order).rpartition(":")[2]).coupon_id == mine.coupon_id
    assert broken() == []


def test_twin_coupon_on_two_unpaid_orders(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hold's UPDATE by key alone: each of the orders is told that it has the coupon."""

    class Careless:
        def where(self, *conditions: Any) -> Any:
            return update(Coupon).where(*conditions[:3])

    mine = coupon(world)
    monkeypatch.setattr(module(HOLD), "update", lambda _: Careless())
    all_read_first(monkeypatch, QUERIES, "owned", 8)
    assert at_once(app, [hold(world, mine, f"O{no}") for no in range(8)]) == [None] * 8
    assert "coupons.status_is_the_replay_of_events" in {finding.name for finding in broken()}


@pytest.mark.parametrize("fails", [True, False])
def test_redeem_against_rollback(app: Any, world: World, fails: bool) -> None:
    """Who waits for an order that fails has the coupon; who waits for one that goes through is told so."""
    mine = coupon(world)
    try:
        with transaction():
            redeem_order(world, mine.code, order_no="O1")
            beside = meanwhile(app, lambda: redeem(world, mine.code, order_no="O2"))
            found = beside.__enter__()
            until_waiting()
            if fails:
                raise Stop
    except Stop:
        pass
    beside.__exit__(None, None, None)
    assert [row.order_no for row in redemptions()] == ["O2" if fails else "O1"]
    assert bool(won(found)) is fails and (fails or found == ["coupon_redeemed"])
    assert broken() == []


def _each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statements of an order's coupons outside its transaction, each committed at once."""
    monkeypatch.setattr(module(ORDER), "in_session", hot.fetch_one)
    monkeypatch.setattr(module(ORDER), "lock_rows", lambda *_: {})


def test_twin_redeem_against_rollback(world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = coupon(world)
    _each_by_itself(monkeypatch)
    with pytest.raises(Stop), transaction():
        redeem_order(world, mine.code, order_no="O1")
        raise Stop
    assert [row.order_no for row in redemptions()] == ["O1"]  # which is an order that never was
    with pytest.raises(SiyuError, match="redeemed already"):
        redeem(world, mine.code, order_no="O2")


def _second_fails(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Coupon, Coupon]:
    """Two coupons of an order, the second of which is paused once both were read."""
    mine = coupon(world, stack_group="a")
    other_campaign = campaign(world, stack_group="b")
    other = coupon(world, other_campaign, member_id=mine.member_id)
    quote = commands.order.quote_order

    def quoted_then_paused(**asked: Any) -> Any:
        found = quote(**asked)
        if found.answers[-1].reason is None:
            assert at_once(app, [transacted(lambda: _pause(world, other_campaign))]) == [None]
        return found

    monkeypatch.setattr(module(ORDER), "quote_order", quoted_then_paused)
    return mine, other


def _pause(world: World, campaign_id: int) -> None:
    commands.set_status(brand_id=world.brand_id, campaign_id=campaign_id, status="paused")


def test_order_fails_after_claim(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order had its first coupon already when the second is refused: the first is as it was."""
    mine, other = _second_fails(app, world, monkeypatch)
    with pytest.raises(SiyuError) as refusal:
        transacted(lambda: redeem_order(world, mine.code, other.code, order_no="O1"))()
    assert refusal.value.code == "campaign_paused"
    assert fresh(world, mine.member_id, mine.coupon_id).status == "claimed" and redemptions() == []
    assert redeem(world, mine.code, order_no="O2").coupon_id == mine.coupon_id
    assert broken() == []


def test_twin_order_fails_after_claim(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = _second_fails(app, world, monkeypatch)
    _each_by_itself(monkeypatch)
    with pytest.raises(SiyuError):
        transacted(lambda: redeem_order(world, mine.code, other.code, order_no="O1"))()
    assert [row.coupon_id for row in redemptions()] == [mine.coupon_id]  # half of an order that was refused


def test_a_held_coupon_of_an_order_that_failed_is_free_again(world: World) -> None:
    mine = coupon(world)
    hold(world, mine, "O1")()
    with time_machine.travel(clock.now() + commands.hold.HOLD + timedelta(seconds=1), tick=True):
        assert redeem(world, mine.code, order_no="O2").order_no == "O2"  # before any sweep
        assert broken() == []


def _used_and_back(world: World) -> tuple[Coupon, Any, Any]:
    mine = coupon(world)
    used = redeem(world, mine.code, order_no="O1")
    return mine, used, transacted(lambda: commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id))


def _meanwhile_it_goes_on(app: Any, patch: pytest.MonkeyPatch, name: str, works: list[Callable[[], Any]]) -> None:
    """Once the first caller has read the redemption, others do `works`, and only then it goes on."""
    real = getattr(queries, name)

    def read(*arguments: Any) -> Any:
        found = real(*arguments)
        others, works[:] = list(works), []
        for work in others:
            at_once(app, [work])
        return found

    patch.setattr(queries, name, read)


def test_refund_while_another_cart_holds(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order's refund is told twice, and between the two another cart has the coupon: it keeps it."""
    mine, _, back = _used_and_back(world)
    _meanwhile_it_goes_on(app, monkeypatch, "redemption", [back, hold(world, mine, "O2")])
    with pytest.raises(SiyuError, match="given back already"):
        back()
    held = fresh(world, mine.member_id, mine.coupon_id)
    assert (held.status, held.locked_order) == ("locked", f"till:{world.store.id}:O2")
    assert redeem(world, mine.code, order_no="O2").order_no == "O2"
    assert broken() == []


def test_twin_refund_while_another_cart_holds(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock, and the look after it, the second refund takes the coupon out of the other cart."""
    mine, _, back = _used_and_back(world)
    unguarded.drop("coupon", "ck_coupon_locked_order")
    unguarded.drop("order_discount", "ck_order_discount_discount")
    monkeypatch.setattr(module(GIVE_BACK), "_locked", lambda *asked: queries.redemption(*asked))
    _meanwhile_it_goes_on(app, monkeypatch, "redemption", [back, hold(world, mine, "O2")])
    back()
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned"  # O2's customer sees it gone
    assert "coupons.status_is_the_replay_of_events" in {finding.name for finding in broken()}


def test_many_refunds_and_carts_at_once(app: Any, world: World) -> None:
    mine, _, back = _used_and_back(world)
    results = at_once(app, [back] * 4 + [hold(world, mine, f"C{no}") for no in range(4)])
    assert sorted(one if isinstance(one, str) else "" for one in results[:4]) == ["", *["redemption_returned"] * 3]
    assert results[4:].count(None) <= 1
    assert broken() == []


def test_withdrawn_while_it_is_used(app: Any, world: World) -> None:
    """Headquarters takes back what a till is redeeming: one of the two is refused, and nothing is half done."""
    seen = set()
    for _ in range(6):
        mine = coupon(world)
        keys = {"brand_id": world.brand_id, "member_id": mine.member_id, "coupon_id": mine.coupon_id}
        take_back = transacted(lambda keys=keys: commands.void_one(**keys, cause="withdrawn"))
        at_once(app, [lambda code=mine.code: redeem(world, code), take_back])
        seen.add(fresh(world, mine.member_id, mine.coupon_id).status)
        assert broken() == []
    assert seen <= {"redeemed", "voided"}
