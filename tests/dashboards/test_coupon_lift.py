"""Lift against a hold-out group, with sets made by hand, and the intervals against published examples."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from statistics import mean, stdev
from typing import Any

import pytest
from factories import World, make_world
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, column, select, values

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.dashboards.queries.coupon_lift import Lift, lift
from app.dashboards.statistics import Sample, difference_of_means, difference_of_shares, wilson
from app.sales.models import SalesOrder

PUSHED = datetime(2026, 3, 10, tzinfo=UTC)


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _buy(world: World, member_id: int, fen: int, at: datetime, *, refunded: int = 0) -> None:
    order_id = ids.new_id()
    with transaction():
        session.add(
            SalesOrder(
                brand_id=world.brand_id,
                member_id=member_id,
                order_id=order_id,
                source="till",
                order_no=str(order_id),
                store_id=world.store.id,
                channel="till",
                walk_in=False,
                total_fen=fen,
                discount_fen=0,
                paid_fen=fen,
                refunded_fen=refunded,
                status="refunded" if refunded == fen else "paid",
                paid_at=at,
                correlation_id="cor_test",
                created_at=clock.now(),
            )
        )


def _set(members: list[int]) -> Any:
    chosen = values(column("member_id", BigInteger), name="chosen").data([(one,) for one in members or [0]])
    return select(chosen).where(chosen.c.member_id != 0)


def _lift(world: World, got: list[int], held_out: list[int], days: int = 30) -> Lift:
    with transaction():
        return lift(world.brand_id, got=_set(got), held_out=_set(held_out), since=PUSHED, days=days)


def test_members_who_got_it_are_compared_with_those_kept_out(world: World) -> None:
    got, held_out = ids.new_ids(40), ids.new_ids(50)
    for member_id in got[:20]:
        _buy(world, member_id, 10_000, PUSHED + timedelta(days=1))
    _buy(world, got[0], 5_000, PUSHED + timedelta(days=2))  # one buyer, two orders
    _buy(world, got[30], 7_000, PUSHED + timedelta(days=1), refunded=7_000)  # bought nothing in the end
    _buy(world, got[1], 4_000, PUSHED + timedelta(days=3), refunded=1_000)
    for member_id in held_out[:10]:
        _buy(world, member_id, 10_000, PUSHED + timedelta(days=5))
    _buy(world, held_out[20], 10_000, PUSHED - timedelta(seconds=1))
    _buy(world, held_out[21], 10_000, PUSHED + timedelta(days=30))
    _buy(world, ids.new_id(), 99_000, PUSHED + timedelta(days=1))
    found = _lift(world, got, held_out)
    assert (found.got.members, found.got.buyers, found.got.fen) == (40, 20, 208_000)
    assert (found.held_out.members, found.held_out.buyers, found.held_out.fen) == (50, 10, 100_000)
    assert found.share == pytest.approx(0.5 - 0.2)
    assert found.fen == pytest.approx(5200 - 2000)
    assert found.share_interval and found.share_interval.low < 0.3 < found.share_interval.high
    paid = [15_000, 13_000, *[10_000] * 18, *[0] * 20]
    assert found.got.variance == pytest.approx(stdev(paid) ** 2) and found.got.mean == pytest.approx(mean(paid))
    other = [10_000] * 10 + [0] * 40
    half = 1.959964 * (stdev(paid) ** 2 / 40 + stdev(other) ** 2 / 50) ** 0.5
    assert found.fen_interval == pytest.approx((3200 - half, 3200 + half), abs=0.01)


def test_nobody_and_few_say_so(world: World) -> None:
    found = _lift(world, ids.new_ids(3), [])
    assert (found.share, found.share_interval, found.fen, found.fen_interval) == (None, None, None, None)
    with transaction():
        empty = lift(
            world.brand_id,
            got=select(SalesOrder.member_id).where(SalesOrder.brand_id == world.brand_id).distinct(),
            held_out=_set(ids.new_ids(2)),
            since=PUSHED,
            days=1,
        )
    assert (empty.got.members, empty.held_out.members) == (0, 2)


def test_another_brands_orders_do_not_count(world: World) -> None:
    other, member_id = make_world(), ids.new_id()
    _buy(other, member_id, 10_000, PUSHED)
    assert _lift(world, [member_id], ids.new_ids(2)).got.buyers == 0


# Newcombe 1998, table II, method 10: successes, size, successes, size, and the interval he prints.
@pytest.mark.parametrize(
    ("a", "m", "b", "n", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_shares_differ_as_newcombe_says(a: int, m: int, b: int, n: int, low: float, high: float) -> None:
    found = difference_of_shares(Sample(m, a, 0, 0), Sample(n, b, 0, 0))
    assert found == pytest.approx((low, high), abs=0.0001)


@given(tries=st.integers(1, 10**6), data=st.data())
def test_a_wilson_interval_holds_the_share(tries: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, tries))
    low, high = wilson(hits, tries)
    assert 0 <= low <= hits / tries + 1e-12 and hits / tries - 1e-12 <= high <= 1


def test_means_cover_the_truth_about_as_often_as_they_promise() -> None:
    """Two groups drawn from known means, many times: 95 % intervals hold the true difference in about 95 % of them."""
    chance = random.Random(4)
    held = 0
    for _ in range(400):
        groups = []
        for spread in (100, 300):
            paid = [round(chance.expovariate(1 / spread)) for _ in range(200)]
            groups.append(Sample(200, 0, sum(paid), sum(fen * fen for fen in paid)))
        found = difference_of_means(*groups)
        assert found is not None
        held += found.low <= 100 - 300 <= found.high
    assert 0.91 <= held / 400 <= 0.98


def test_whole_numbers_stay_exact_however_large() -> None:
    big = 10**12
    assert Sample(2, 2, 2 * big + 1, big**2 + (big + 1) ** 2).variance == 0.5
