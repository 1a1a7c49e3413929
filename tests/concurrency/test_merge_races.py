"""A merge of members against what is being written to them at the same moment, with real connections.

Each race has a twin that does the same without holding the member, and leaves something behind.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import coupon_factories as coupons
import pytest
from at_once import at_once, meanwhile, until_waiting
from factories import World, make_world
from import_files import an_import, csv_of
from invariants import broken
from loyalty import an_order, set_rules
from merging import members, merge, merge_again, split, together
from people import make_member
from sqlalchemy import text

from app.core import clock
from app.core.db import session
from app.core.errors import Busy
from app.core.transaction import run, transaction
from app.coupons import queries as coupon_queries
from app.coupons.commands import take
from app.coupons.errors import LimitReached
from app.flows.order_paid import order_paid
from app.members import family
from app.points import commands as points
from app.points import queries as points_queries
from app.sales import commands as sales_commands
from app.sales import queries as sales
from app.sales.refunds import BackLine, RefundData, record_refund


@pytest.fixture
def world(app: Any) -> World:
    world = make_world()
    set_rules(world.brand_id)
    return world


def balance(world: World, member_id: int) -> int:
    with transaction():
        return points_queries.balances(world.brand_id, member_id)["points"]


def earn(world: World, member_id: int, amount: int, cause: str) -> int | None:
    return points.earn(
        brand_id=world.brand_id,
        member_id=member_id,
        currency="points",
        amount=amount,
        cause=cause,
        at=clock.now(),
    )


def upload(world: World, member_id: int, number: str) -> Any:
    return order_paid(
        brand_id=world.brand_id, member_id=member_id, order=an_order(number, 10_00, store_id=world.store.id)
    )


def merged_beside(
    app: Any, world: World, winner: int, loser: int, write: Callable[[], Any], *, waits: bool = True
) -> list[Any]:
    """Merge two members, and let a write begin when the merge has moved everything and not yet committed."""
    with transaction():
        together(world, winner, loser)
        beside = meanwhile(app, write)
        found = beside.__enter__()
        if waits:
            until_waiting()
        else:
            time.sleep(0.3)
    beside.__exit__(None, None, None)
    return found


WRITES: dict[str, Callable[[World, int], Any]] = {
    "earn": lambda world, member_id: earn(world, member_id, 10, "gift"),
    "an order": lambda world, member_id: upload(world, member_id, "O1"),
    "spend": lambda world, member_id: points.spend(
        brand_id=world.brand_id, member_id=member_id, amount=10, cause="toy", at=clock.now()
    ),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_merge_waits_for_a_write_and_takes_it_along(app: Any, world: World, what: str) -> None:
    winner, loser = members(world, 2)
    with transaction():
        earn(world, loser, 100, "before")
    with transaction():
        WRITES[what](world, loser)
        session.flush()
        held = meanwhile(app, lambda: merge(world, winner, loser))
        held.__enter__()
        until_waiting()
    held.__exit__(None, None, None)
    assert balance(world, winner) == {"earn": 110, "an order": 110, "spend": 90}[what]
    assert balance(world, loser) == 0
    with transaction():
        assert not sales.orders_of(world.brand_id, loser)
    assert broken("") == []


@pytest.mark.parametrize("what", WRITES)
def test_a_write_waits_for_a_merge_and_lands_on_the_winner(app: Any, world: World, what: str) -> None:
    winner, loser = members(world, 2)
    with transaction():
        earn(world, loser, 100, "before")

    def write() -> Any:
        return run(lambda: WRITES[what](world, loser))

    merged_beside(app, world, winner, loser, write)
    assert balance(world, winner) == {"earn": 110, "an order": 110, "spend": 90}[what]
    assert balance(world, loser) == 0
    with transaction():
        assert not sales.orders_of(world.brand_id, loser)
    assert broken("") == []
    split(world, loser)
    assert broken("") == []


def test_per_member_limit_across_a_merge(app: Any, world: World) -> None:
    winner, loser = members(world, 2)
    campaign_id = coupons.campaign(world, per_member=2)
    coupons.coupon(world, campaign_id, member_id=winner)

    def claim() -> Any:
        return coupons.commands.claim(
            brand_id=world.brand_id, member_id=loser, campaign_id=campaign_id, key=coupons.key("miniapp:1")
        )

    found = merged_beside(app, world, winner, loser, claim)
    with transaction():
        assert {one.coupon_id for one in coupon_queries.wallet(world.brand_id, winner)} >= {found[0].coupon_id}
        assert coupon_queries.wallet(world.brand_id, loser) == []
    with pytest.raises(LimitReached):
        coupons.coupon(world, campaign_id, member_id=winner)
    assert broken("") == []


def test_a_code_moved_while_it_is_redeemed_is_found_where_it_is(app: Any, world: World) -> None:
    winner, loser = members(world, 2)
    mine = coupons.coupon(world, member_id=loser)
    found = merged_beside(app, world, winner, loser, lambda: coupons.redeem(world, mine.code))
    assert found[0].member_id == winner
    assert broken("") == []


def test_a_redemption_moved_while_it_is_given_back_is_found_where_it_is(app: Any, world: World) -> None:
    winner, loser = members(world, 2)
    used = coupons.redeem(world, coupons.coupon(world, member_id=loser).code)

    def give_back() -> Any:
        return run(
            lambda: coupons.commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id).member_id
        )

    assert merged_beside(app, world, winner, loser, give_back) == [winner]
    assert broken("") == []


def test_an_imported_order_beside_a_merge_is_the_winners(app: Any, world: World) -> None:
    """It is no walk-in's because its buyer was being merged when they were looked up."""
    winner = members(world, 1)[0]
    with transaction():
        loser = make_member(world, phone="13712345678")
    row = {
        "订单号": "A1",
        "门店编码": "S001",
        "付款时间": "2024-05-01 10:00:00",
        "实付金额": "9.00",
        "手机号": "13712345678",
    }
    merged_beside(app, world, winner, loser, lambda: an_import(world, "orders", csv_of(list(row), [row])))
    with transaction():
        assert [one.order_no for one in sales.orders_of(world.brand_id, winner)] == ["A1"]
    assert broken("") == []


def test_a_refund_whose_order_was_moved_is_asked_to_look_again(app: Any, world: World) -> None:
    """A merge came between finding the order and holding it: that is no order without such a line."""
    winner, loser = members(world, 2)
    with transaction():
        upload(world, loser, "O1")
        (order,) = sales.orders_of(world.brand_id, loser)
    back = RefundData(
        source=order.source,
        refund_no="R1",
        member_id=loser,
        order_id=order.order_id,
        refunded_at=clock.now(),
        lines=(BackLine(line_no=1, refunded_fen=4_00),),
    )
    merge(world, winner, loser)
    with pytest.raises(Busy), transaction():
        record_refund(brand_id=world.brand_id, refund=back)
    with transaction():
        record_refund(brand_id=world.brand_id, refund=replace(back, member_id=winner))
    with transaction():
        assert [one.refunded_fen for one in sales.orders_of(world.brand_id, winner)] == [4_00]
    assert broken("") == []


def test_many_writes_and_merges_and_splits_lose_nothing(app: Any, world: World) -> None:
    """Everything at once, several times over; at the end every gift and every order is somebody's, once."""
    winner, loser = members(world, 2)
    campaign_id = coupons.campaign(world, per_member=100, quota=1000)
    done: list[str] = []

    def give(number: int) -> Callable[[], Any]:
        member_id = loser if number % 3 else winner

        def work() -> None:
            run(lambda: earn(world, member_id, 10, f"gift:{number}"), tries=10)
            run(lambda: upload(world, member_id, f"O{number}"), tries=10)
            taken = coupons.commands.claim(
                brand_id=world.brand_id, member_id=member_id, campaign_id=campaign_id, key=coupons.key("miniapp:2")
            )
            done.append(str(taken.coupon_id))

        return work

    def back_and_forth() -> None:
        for _ in range(3):
            merge(world, winner, loser)
            split(world, loser)
        merge(world, winner, loser)

    at_once(app, [back_and_forth, *(give(number) for number in range(8))])
    merge_again(world, loser)
    assert len(done) == 8
    assert balance(world, winner) == 8 * 20 and balance(world, loser) == 0
    with transaction():
        assert len(sales.orders_of(world.brand_id, winner)) == 8
        assert len(coupon_queries.wallet(world.brand_id, winner)) == 8
    assert broken("") == []


def _without_holding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same writes, without `members.family.keep` and what stands for it in statements."""
    monkeypatch.setattr(family, "keep", lambda *, brand_id, member_id: member_id)
    monkeypatch.setattr(points, "_EARN", text(points._EARN.text.replace("FOR KEY SHARE", "")))
    monkeypatch.setattr(take, "CLAIM", take.CLAIM.replace("FOR KEY SHARE", ""))
    monkeypatch.setattr(sales_commands, "_CLAIM", text(sales_commands._CLAIM.text.replace("FOR KEY SHARE", "")))


def test_twin_without_holding_the_member_an_order_is_left_behind(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner, loser = members(world, 2)
    _without_holding(monkeypatch)
    merged_beside(app, world, winner, loser, lambda: run(lambda: upload(world, loser, "O1")), waits=False)
    assert (balance(world, winner), balance(world, loser)) == (0, 10)
    with transaction():
        assert len(sales.orders_of(world.brand_id, loser)) == 1
    merge_again(world, loser)  # which is what the second look after a merge is for
    assert (balance(world, winner), balance(world, loser)) == (10, 0)
    assert broken("") == []


def test_twin_without_holding_the_member_who_has_points_cannot_spend_them(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner, loser = members(world, 2)
    with transaction():
        earn(world, loser, 100, "before")
    _without_holding(monkeypatch)
    found = merged_beside(app, world, winner, loser, lambda: run(lambda: WRITES["spend"](world, loser)))
    assert found == ["points_not_enough"] and balance(world, winner) == 100


def test_twin_per_member_limit_across_a_merge(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner, loser = members(world, 2)
    campaign_id = coupons.campaign(world, per_member=1)
    coupons.coupon(world, campaign_id, member_id=winner)
    _without_holding(monkeypatch)
    merged_beside(
        app,
        world,
        winner,
        loser,
        lambda: coupons.commands.claim(
            brand_id=world.brand_id, member_id=loser, campaign_id=campaign_id, key=coupons.key("miniapp:1")
        ),
        waits=False,
    )
    with transaction():  # one human, two coupons of which everybody may have one
        assert [len(coupon_queries.wallet(world.brand_id, one)) for one in (winner, loser)] == [1, 1]
    assert "coupons.merged_members_hold_none" in {finding.name for finding in broken()}
    merge_again(world, loser)


def test_twin_a_redemption_that_does_not_look_again_fails(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner, loser = members(world, 2)
    mine = coupons.coupon(world, member_id=loser)
    monkeypatch.setattr(sys.modules[coupons.commands.redeem.__module__], "_TRIES", 1)
    assert merged_beside(app, world, winner, loser, lambda: coupons.redeem(world, mine.code)) == ["busy"]
