"""Stocks and limits under a crowd that wants more than there is; each with a twin that shows what its guard is for."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from at_once import at_once
from coupon_crowds import TAKE, Unguarded, all_read_first, claim, coupons_out, redemptions, refused, transacted, won
from coupon_factories import campaign, redeem
from factories import World
from invariants import broken

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import CampaignAllocation, CampaignDay, CampaignStock, Coupon

TESTS = Path(__file__).parents[2]
STOCK = "AND s.issued < s.quota\n"
SEQ = "uq_coupon_brand_id_member_id_campaign_id_seq"


def _findings() -> set[str]:
    return {finding.name for finding in broken()}


def test_last_unit_with_1000_members(app: Any, world: World) -> None:
    """Four processes, eight hands each, 250 members a process."""
    campaign_id = campaign(world, quota=1, stripes=1)
    command = [sys.executable, str(TESTS / "hands.py"), "claim", str(world.brand_id), str(campaign_id), "250"]
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "CROWD_HOT_POOL": "8"}

    def process(_: int) -> dict[str, int]:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        return dict(json.loads(done.stdout))

    with ThreadPoolExecutor(4) as pool:
        told = sum((Counter(answers) for answers in pool.map(process, range(4))), Counter())
    assert told == {"taken": 1, "sold_out": 999}
    assert len(coupons_out()) == 1
    assert broken() == []


def test_twin_last_unit_with_1000_members(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = campaign(world, quota=1, stripes=1)
    unguarded.without(TAKE, "CLAIM", STOCK, instead="\n")
    unguarded.drop("campaign_stock", "ck_campaign_stock_issued")
    all_read_first(monkeypatch, TAKE, "look_at", 16)
    assert len(won(at_once(app, [lambda: claim(world, campaign_id)] * 16))) == 16
    assert "coupons.no_stripe_over_issued" in _findings()


def test_last_unit_that_all_have_seen(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = campaign(world, quota=1, stripes=1)
    all_read_first(monkeypatch, TAKE, "look_at", 16)
    results = at_once(app, [lambda: claim(world, campaign_id)] * 16)
    assert len(won(results)) == 1 and refused(results) == {"sold_out": 15}
    assert broken() == []


def test_a_burst_of_claims_takes_the_stock_and_no_more(app: Any, world: World) -> None:
    stock, limit, members, tries = 50, 2, 20, 3
    hot_campaign = campaign(world, quota=stock, stripes=8, per_member=limit)
    crowd = ids.new_ids(members * 2)
    works = [lambda member_id=member_id: claim(world, hot_campaign, member_id) for member_id in crowd * tries]
    random.Random(5).shuffle(works)
    results = at_once(app, works)
    assert len(won(results)) == stock
    assert set(refused(results)) <= {"sold_out", "limit_reached"}
    with transaction():
        assert max(Counter(row.member_id for row in session.query(Coupon)).values()) <= limit
        assert sum(row.issued for row in session.query(CampaignStock)) == stock
    assert broken() == []


LIMIT = 5


def _claim_and_redeem(world: World, campaign_id: int, member_id: int, order_no: str) -> Any:
    taken = claim(world, campaign_id, member_id)
    with transaction():
        code = queries.owned(world.brand_id, member_id, taken.coupon_id).code
    return redeem(world, code, order_no=order_no)


def _orders(world: World, **stock: int) -> list[Callable[[], Any]]:
    campaign_id, member_id = campaign(world, per_member=LIMIT, **stock), ids.new_id()
    return [lambda no=no: _claim_and_redeem(world, campaign_id, member_id, f"O{no}") for no in range(3 * LIMIT)]


def test_limit_l_with_3l_orders(app: Any, world: World) -> None:
    """One member wants a coupon for each of 3L orders at once, and L of them have one."""
    results = at_once(app, _orders(world))
    assert len(won(results)) == LIMIT and refused(results) == {"limit_reached": 2 * LIMIT}
    assert sorted(row.seq for row in coupons_out()) == [*range(1, LIMIT + 1)]
    assert len({row.order_no for row in redemptions()}) == LIMIT
    assert broken() == []


def test_twin_limit_l_with_3l_orders(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting alone: all have read that there is none yet."""
    unguarded.drop("coupon", SEQ)
    all_read_first(monkeypatch, TAKE, "look_at", 3 * LIMIT)
    assert len(won(at_once(app, _orders(world)))) == 3 * LIMIT == len(redemptions())


def _daily(world: World, day_quota: int, **stock: int) -> int:
    campaign_id = campaign(world, **stock)
    with transaction():
        commands.set_day_quota(brand_id=world.brand_id, campaign_id=campaign_id, day_quota=day_quota, actor="a")
    return campaign_id


@pytest.mark.parametrize("first_of_the_day", [True, False])
def test_a_days_stock(app: Any, world: World, monkeypatch: pytest.MonkeyPatch, first_of_the_day: bool) -> None:
    campaign_id = _daily(world, 5)
    if not first_of_the_day:
        claim(world, campaign_id)
    all_read_first(monkeypatch, TAKE, "look_at", 15)
    results = at_once(app, [lambda: claim(world, campaign_id)] * 15)
    assert len(won(results)) == 5 - (not first_of_the_day)
    assert set(refused(results)) == {"sold_out_today"}
    with transaction():
        assert [(row.quota, row.issued) for row in session.query(CampaignDay)] == [(5, 5)]
    assert broken() == []


def test_twin_a_days_stock(app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = _daily(world, 5)
    claim(world, campaign_id)
    unguarded.without(TAKE, "CLAIM_SHARED", " WHERE d.issued < d.quota")
    unguarded.drop("campaign_day", "ck_campaign_day_issued")
    all_read_first(monkeypatch, TAKE, "check_narrow", 15)
    assert len(won(at_once(app, [lambda: claim(world, campaign_id)] * 15))) == 15
    assert "coupons.no_day_over_issued" in _findings()


def test_a_days_stock_that_is_set_at_the_same_moment_counts(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has read the campaign before it had a day's stock, or a larger one, reads it again."""
    campaign_id, others = _daily(world, 50), []
    look = commands.take.look_at

    def look_then_set(*asked: Any, **used: str) -> Any:
        found = look(*asked, **used)
        if others:
            change = partial(
                commands.set_day_quota,
                brand_id=world.brand_id,
                campaign_id=campaign_id,
                day_quota=others.pop(),
                actor="a",
            )
            assert at_once(app, [transacted(change)]) == [None]
        return found

    monkeypatch.setattr(commands.take, "look_at", look_then_set)
    for before, after in ((None, 1), (50, 1), (2, None)):
        with transaction():
            session.query(CampaignDay).delete()
            commands.set_day_quota(brand_id=world.brand_id, campaign_id=campaign_id, day_quota=before, actor="a")
        others.append(after)
        claim(world, campaign_id)
        with transaction():
            rows = [(row.quota, row.issued) for row in session.query(CampaignDay) if row.issued]
        assert rows == ([(after, 1)] if after else []), (before, after)
    assert broken() == []


def _at_stores(world: World, *quotas: int) -> int:
    campaign_id = campaign(world, quota=100)
    parts = {store.id: quota for store, quota in zip(world.stores, quotas, strict=True)}
    with transaction():
        commands.allocate(brand_id=world.brand_id, campaign_id=campaign_id, quotas=parts, actor="a")
    return campaign_id


def test_a_stores_allocation(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = _at_stores(world, 3, 2)
    all_read_first(monkeypatch, TAKE, "look_at", 16)
    results = at_once(app, [lambda no=no: claim(world, campaign_id, store=no % 2) for no in range(16)])
    assert len(won(results)) == 5 and refused(results) == {"store_sold_out": 11}
    with transaction():
        issued = {row.store_id: row.issued for row in session.query(CampaignAllocation)}
    assert issued == {world.stores[0].id: 3, world.stores[1].id: 2}
    assert broken() == []


def test_twin_a_stores_allocation(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = _at_stores(world, 3, 2)
    unguarded.without(TAKE, "CLAIM_SHARED", " AND a.issued < a.quota")
    unguarded.drop("campaign_allocation", "ck_campaign_allocation_issued")
    all_read_first(monkeypatch, TAKE, "check_narrow", 16)
    assert len(won(at_once(app, [lambda no=no: claim(world, campaign_id, store=no % 2) for no in range(16)]))) == 16


def test_a_refused_claim_takes_nothing_of_any_stock(world: World) -> None:
    """The day has some and the store has none: the day's stock is as it was."""
    campaign_id = _at_stores(world, 1, 1)
    with transaction():
        commands.set_day_quota(brand_id=world.brand_id, campaign_id=campaign_id, day_quota=9, actor="a")
    assert commands.take.CLAIM_SHARED.count("refuse('overtaken')") == 1
    claim(world, campaign_id, store=0)
    for _ in range(3):
        with pytest.raises(Exception, match="no coupons of this campaign left"):
            claim(world, campaign_id, store=0)
    with transaction():
        assert [row.issued for row in session.query(CampaignDay)] == [1]
    assert broken() == []


def test_a_members_limit_of_a_day(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id, member_id = campaign(world, per_member=9, per_day=2), ids.new_id()
    all_read_first(monkeypatch, TAKE, "look_at", 12)
    results = at_once(app, [lambda: claim(world, campaign_id, member_id)] * 12)
    assert len(won(results)) == 2 and refused(results) == {"period_limit_reached": 10}
    assert broken() == []


def test_twin_a_members_limit_of_a_day(
    app: Any, world: World, unguarded: Unguarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id, member_id = campaign(world, per_member=9, per_day=2), ids.new_id()
    unguarded.drop("coupon", SEQ)
    all_read_first(monkeypatch, TAKE, "check_narrow", 12)
    assert len(won(at_once(app, [lambda: claim(world, campaign_id, member_id)] * 12))) == 12


def test_a_coupon_is_issued_once_for_one_reason(app: Any, world: World) -> None:
    campaign_id, member_id = campaign(world, per_member=9), ids.new_id()
    issue = transacted(
        lambda: commands.issue(
            brand_id=world.brand_id, member_id=member_id, campaign_id=campaign_id, source="push", source_ref="gift:1"
        )
    )
    results = at_once(app, [issue] * 8)
    assert len(set(results)) == 1 and isinstance(results[0], int)
    assert len(coupons_out()) == 1
    assert broken() == []
