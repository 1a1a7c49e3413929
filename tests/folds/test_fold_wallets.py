"""Two whole wallets become one and two again: nothing is lost, and what nobody touched is as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import coupon_factories as coupons
import pytest
from factories import World
from invariants import broken
from loyalty import an_order
from merging import books, members, merge, merge_again, split

from app.core import clock
from app.core.transaction import transaction
from app.coupons import queries as coupon_queries
from app.flows.order_paid import order_paid
from app.members import queries as member_queries
from app.points import commands as points
from app.points import queries as points_queries
from app.sales import queries as sales
from app.tiers import queries as tiers_queries


def order(world: World, member_id: int, number: str, yuan: int, *, days_ago: int = 0, **more: Any) -> Any:
    with transaction():
        return order_paid(
            brand_id=world.brand_id,
            member_id=member_id,
            order=an_order(
                number, yuan * 100, store_id=world.store.id, paid_at=clock.now() - timedelta(days=days_ago), **more
            ),
        )


def balances(world: World, member_id: int) -> dict[str, int]:
    with transaction():
        return points_queries.balances(world.brand_id, member_id)


def tier_of(world: World, member_id: int) -> str | None:
    with transaction():
        found = tiers_queries.current(world.brand_id, member_id)
        return found.code if found else None


def rich(world: World, member_id: int, number: str) -> None:
    """Orders of several days, a redeemed, a held and a fresh coupon."""
    for day in (300, 20, 1):
        order(world, member_id, f"{number}-{day}", 100 + day, days_ago=day)
    used, held = coupons.coupon(world, member_id=member_id), coupons.coupon(world, member_id=member_id)
    coupons.coupon(world, member_id=member_id)
    coupons.redeem(world, used.code)
    with transaction():
        coupons.commands.lock(
            counter=coupons.till(world), member_id=member_id, coupon_id=held.coupon_id, order_no=f"{number}-held"
        )


def test_everything_follows_and_everything_goes_home(world: World) -> None:
    winner, loser = members(world, 2)
    rich(world, winner, "W")
    rich(world, loser, "L")
    before = books(world)
    mine, theirs = balances(world, winner), balances(world, loser)
    merge(world, winner, loser)
    assert broken("") == []
    assert balances(world, winner) == {name: mine[name] + theirs[name] for name in mine}
    assert balances(world, loser) == {"points": 0, "growth": 0}
    with transaction():
        assert len(sales.orders_of(world.brand_id, winner)) == 6 and not sales.orders_of(world.brand_id, loser)
        assert len(coupon_queries.wallet(world.brand_id, winner)) == 6
        assert not coupon_queries.wallet(world.brand_id, loser)
        assert member_queries.living(world.brand_id, loser).member_id == winner
    assert tier_of(world, loser) is None
    merge_again(world, loser)  # nothing came late
    split(world, loser)
    assert books(world) == before


def test_merges_and_splits_may_follow_each_other(world: World) -> None:
    winner, loser = members(world, 2)
    rich(world, winner, "W")
    rich(world, loser, "L")
    before = books(world)
    for _ in range(3):
        merge(world, winner, loser)
        split(world, loser)
        assert broken("") == []
    assert books(world) == before


@pytest.mark.parametrize("parted", [(1, 2), (2, 1)], ids=["the middle first", "the last first"])
@pytest.mark.parametrize("joined", [((1, 2), (0, 1)), ((0, 1), (0, 2)), ((0, 1), (1, 2))], ids=str)
def test_a_chain_comes_apart_in_any_order(world: World, joined: Any, parted: Any) -> None:
    three = members(world, 3)
    for name, member_id in zip("ABC", three, strict=True):
        rich(world, member_id, name)
    before = books(world)
    total = [balances(world, one) for one in three]
    for one, other in joined:
        merge(world, three[one], three[other])
        assert broken("") == []
    assert balances(world, three[0]) == {name: sum(one[name] for one in total) for name in total[0]}
    for one in parted:
        split(world, three[one])
        assert broken("") == []
    assert books(world) == before


def test_the_order_of_merges_does_not_matter(world: World) -> None:
    def all_of(first: int) -> dict[str, Any]:
        with transaction():
            orders = {one.order_no[1:] for one in sales.orders_of(world.brand_id, first)}
            growth = points_queries.growth_since(world.brand_id, first, clock.now() - timedelta(days=100))
            cards = sorted(one.status for one in coupon_queries.wallet(world.brand_id, first))
        return {"orders": orders, "growth": growth, "cards": cards, "tier": tier_of(world, first)}

    one, two = members(world, 3), members(world, 3)
    for trio in (one, two):
        for name, member_id in zip("ABC", trio, strict=True):
            rich(world, member_id, f"{trio is one:d}{name}")
    merge(world, one[1], one[2])
    merge(world, one[0], one[1])
    merge(world, two[0], two[2])
    merge(world, two[0], two[1])
    assert all_of(one[0]) == all_of(two[0])


def test_windows_of_growth_stay_exact_on_both_sides(world: World) -> None:
    winner, loser = members(world, 2)
    order(world, winner, "W1", 100, days_ago=10)
    order(world, loser, "L1", 300, days_ago=200)
    order(world, loser, "L2", 50, days_ago=5)

    def growth(member_id: int) -> list[int]:
        with transaction():
            return [
                points_queries.growth_since(world.brand_id, member_id, clock.now() - timedelta(days=days))
                for days in (7, 30, 365)
            ]

    merge(world, winner, loser)
    assert growth(winner) == [50, 150, 450] and balances(world, loser)["growth"] == 0
    order(world, winner, "W2", 7, days_ago=1)
    split(world, loser)
    assert growth(winner) == [7, 107, 107] and growth(loser) == [50, 50, 350]


def test_what_is_left_of_what_was_brought_goes_back(world: World) -> None:
    winner, loser = members(world, 2)
    now, soon = clock.now(), clock.now() + timedelta(days=5)
    for member_id, amount, ends in ((winner, 100, now + timedelta(days=90)), (loser, 80, soon), (loser, 60, None)):
        with transaction():
            points.earn(
                brand_id=world.brand_id,
                member_id=member_id,
                currency="points",
                amount=amount,
                cause=f"gift:{amount}",
                at=now,
                expires_at=ends,
            )
    merge(world, winner, loser)
    with transaction():  # 80 that end soonest, then 20 of the winner's
        points.spend(brand_id=world.brand_id, member_id=winner, amount=100, cause="gift", at=now)
    split(world, loser)
    assert (balances(world, winner)["points"], balances(world, loser)["points"]) == (80, 60)
    with transaction():  # the two are two again, and each spends what is theirs
        points.spend(brand_id=world.brand_id, member_id=loser, amount=60, cause="gift", at=now)


def test_points_that_end_in_between_end_once(world: World) -> None:
    winner, loser = members(world, 2)
    now = clock.now()
    with transaction():
        points.earn(
            brand_id=world.brand_id,
            member_id=loser,
            currency="points",
            amount=80,
            cause="gift",
            at=now,
            expires_at=now + timedelta(days=1),
        )
    merge(world, winner, loser)
    with transaction():
        assert points.expire(brand_id=world.brand_id, member_ids=[winner], at=now + timedelta(days=2)) == 1
    split(world, loser)
    with transaction():
        assert points.expire(brand_id=world.brand_id, member_ids=[winner, loser], at=now + timedelta(days=2)) == 0
    assert balances(world, loser)["points"] == balances(world, winner)["points"] == 0
