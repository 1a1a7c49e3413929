"""Coupons under many hands at once, with real connections; each race has a twin that loses without the guard."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest
from at_once import at_once
from coupon_factories import BASKET, campaign, coupon, fresh, key, redeem, till
from factories import World, make_world
from invariants import broken

from app.core import clock, hot, ids
from app.core.db import session
from app.core.errors import Busy, SiyuError
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import CampaignStock, Coupon, Redemption

HANDS = 64
CONNECTIONS = 24


@pytest.fixture
def world(app: Any) -> Iterator[World]:
    """A world whose hot pool has enough connections for a real crowd."""
    settings = app.extensions["siyu"]
    hot.configure(settings.database_url, CONNECTIONS)
    yield make_world()
    hot.configure(settings.database_url, settings.hot_pool_size)


def _transacted(work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with transaction():
            return work()

    return run


def test_64_orders_want_one_coupon_and_one_gets_it(app: Any, world: World) -> None:
    mine = coupon(world)
    results = at_once(app, [lambda no=no: redeem(world, mine.code, order_no=f"O{no}") for no in range(HANDS)])
    won = [one for one in results if isinstance(one, commands.Redemption)]
    assert len(won) == 1
    assert Counter(one for one in results if isinstance(one, str)) == {"coupon_redeemed": HANDS - 1}
    with transaction():
        assert [row.order_no for row in session.query(Redemption)] == [won[0].order_no]
    assert broken() == []


def test_twin_read_then_write_lets_several_orders_have_one_coupon(app: Any, world: World) -> None:
    """What the compare-and-set is for: the same read, and an UPDATE that trusts it."""
    mine = coupon(world)
    hands, gate = 8, Barrier(8)

    def naive() -> bool:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            where = (mine.member_id, mine.coupon_id)
            found = connection.execute(
                "SELECT status FROM coupon WHERE member_id = %s AND coupon_id = %s", where
            ).fetchone()
            gate.wait(30)
            if found != ("claimed",):
                return False
            done = connection.execute(
                "UPDATE coupon SET status = 'redeemed' WHERE member_id = %s AND coupon_id = %s", where
            )
            return done.rowcount == 1

    assert sum(at_once(app, [naive] * hands)) == hands
    assert {finding.name for finding in broken()} >= {
        "coupons.redeemed_means_a_live_redemption",
        "coupons.status_is_the_replay_of_events",
    }


def test_a_burst_of_claims_takes_the_stock_and_no_more(app: Any, world: World) -> None:
    stock, limit, members, tries = 50, 2, 20, 3
    hot_campaign = campaign(world, quota=stock, stripes=8, per_member=limit)
    crowd = ids.new_ids(members * 2)
    works = [
        lambda member_id=member_id: commands.claim(
            brand_id=world.brand_id,
            member_id=member_id,
            campaign_id=hot_campaign,
            key=key(f"miniapp:{member_id}", value=f"claim-{ids.new_id()}"),
        )
        for member_id in crowd
        for _ in range(tries)
    ]
    random.Random(5).shuffle(works)
    results = at_once(app, works)
    taken = [one for one in results if isinstance(one, commands.Taken)]
    refused = Counter(one for one in results if isinstance(one, str))
    assert len(taken) == stock
    assert set(refused) <= {"sold_out", "limit_reached"}
    with transaction():
        assert max(Counter(row.member_id for row in session.query(Coupon)).values()) <= limit
        assert sum(row.issued for row in session.query(CampaignStock)) == stock
    assert broken() == []


def test_one_member_claims_with_many_hands_and_gets_the_limit(app: Any, world: World) -> None:
    hot_campaign, member_id = campaign(world, quota=100, per_member=3), ids.new_id()
    results = at_once(
        app,
        [
            lambda: commands.claim(
                brand_id=world.brand_id,
                member_id=member_id,
                campaign_id=hot_campaign,
                key=key("miniapp:1", value=f"claim-{ids.new_id()}"),
            )
        ]
        * 24,
    )
    assert sum(isinstance(one, commands.Taken) for one in results) == 3
    assert Counter(one for one in results if isinstance(one, str)) == {"limit_reached": 21}
    with transaction():
        assert sorted(row.seq for row in session.query(Coupon)) == [1, 2, 3]
    assert broken() == []


def test_twin_count_then_insert_goes_over_stock_and_limit(app: Any, world: World) -> None:
    """What the conditional UPDATE and the unique seq are for: the same counts, trusted."""
    gate = Barrier(8)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE naive_coupon (member_id bigint NOT NULL)")
    try:

        def naive() -> None:
            with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
                counted = connection.execute("SELECT count(*) FROM naive_coupon").fetchone()
                gate.wait(30)
                if counted == (0,):  # a stock of one, a limit of one
                    connection.execute("INSERT INTO naive_coupon VALUES (1)")

        at_once(app, [naive] * 8)
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM naive_coupon").fetchone() == (8,)
    finally:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DROP TABLE naive_coupon")


def test_the_same_request_with_many_hands_has_one_effect(app: Any, world: World) -> None:
    mine, using = coupon(world), key(value="the-same-key")
    results = at_once(app, [lambda: redeem(world, mine.code, order_no="O1", using=using)] * 24)
    assert len({one.redemption_id for one in results}) == 1
    member_id, campaign_id = ids.new_id(), campaign(world, per_member=5)
    claim_key = key(f"miniapp:{member_id}", value="the-same-claim")
    claims = at_once(
        app,
        [lambda: commands.claim(brand_id=world.brand_id, member_id=member_id, campaign_id=campaign_id, key=claim_key)]
        * 24,
    )
    assert len({one.coupon_id for one in claims}) == 1
    assert broken() == []


def test_one_key_for_different_bodies_serves_one_of_them(app: Any, world: World) -> None:
    coupons = [coupon(world) for _ in range(12)]
    results = at_once(
        app,
        [
            lambda one=one: redeem(world, one.code, order_no="O1", using=key(body=one.code, value="one-key-for-all"))
            for one in coupons
        ],
    )
    assert sum(isinstance(one, commands.Redemption) for one in results) == 1
    assert Counter(one for one in results if isinstance(one, str)) == {"idempotency_key_reused": 11}
    assert sum(fresh(world, one.member_id, one.coupon_id).status == "redeemed" for one in coupons) == 1
    assert broken() == []


def test_a_coupon_is_issued_once_for_one_reason(app: Any, world: World) -> None:
    campaign_id, member_id = campaign(world, per_member=9), ids.new_id()
    issue = _transacted(
        lambda: commands.issue(
            brand_id=world.brand_id, member_id=member_id, campaign_id=campaign_id, source="push", source_ref="gift:1"
        )
    )
    results = at_once(app, [issue] * 8)  # as many as the session's own pool of connections holds
    assert len(set(results)) == 1 and isinstance(results[0], int)
    with transaction():
        assert session.query(Coupon).count() == 1
    assert broken() == []


def test_two_unpaid_orders_want_to_hold_one_coupon(app: Any, world: World) -> None:
    mine = coupon(world)
    results = at_once(
        app,
        [
            _transacted(
                lambda no=no: commands.lock(
                    brand_id=world.brand_id, member_id=mine.member_id, coupon_id=mine.coupon_id, order_no=f"O{no}"
                )
            )
            for no in range(8)
        ],
    )
    assert results.count(None) == 1 and set(results) <= {None, "coupon_locked", "busy"}
    held = fresh(world, mine.member_id, mine.coupon_id)
    other = "O-other" if held.locked_order != "O-other" else "O-another"
    with pytest.raises(SiyuError, match="holds the coupon"):
        redeem(world, mine.code, order_no=other)
    assert redeem(world, mine.code, order_no=str(held.locked_order)).coupon_id == mine.coupon_id
    assert broken() == []


def test_a_pause_between_check_and_write_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = campaign(world)
    mine = coupon(world, campaign_id)
    read = queries.by_code

    def read_then_pause(brand_id: int, code: str) -> queries.ShownCoupon:
        found = read(brand_id, code)
        if found.campaign_status == "active":
            with transaction():
                commands.set_status(brand_id=brand_id, campaign_id=campaign_id, status="paused")
        return found

    monkeypatch.setattr(queries, "by_code", read_then_pause)
    with pytest.raises(SiyuError) as refused:
        redeem(world, mine.code)
    assert refused.value.code == "campaign_paused"
    assert fresh(world, mine.member_id, mine.coupon_id).status == "claimed"
    assert broken() == []


def test_everything_at_once_leaves_the_books_right(app: Any, world: World) -> None:
    """Redeem, give back, hold, let go and sweep, all on the same few coupons: who wins is open, the books are not."""
    chance = random.Random(11)
    campaign_id = campaign(world, per_member=1)
    coupons = [coupon(world, campaign_id) for _ in range(4)]

    def give_back_any() -> None:
        live = session.query(Redemption).filter(Redemption.returned_at.is_(None)).first()
        if live is not None:
            commands.give_back(brand_id=world.brand_id, redemption_id=live.redemption_id)

    def work(no: int) -> Callable[[], Any]:
        one = chance.choice(coupons)
        where = {"brand_id": world.brand_id, "member_id": one.member_id, "coupon_id": one.coupon_id}
        return chance.choice(
            [
                lambda: redeem(world, one.code, order_no=f"O{no % 3}"),
                lambda: redeem(world, one.code, order_no=f"O{no % 3}"),
                _transacted(give_back_any),
                _transacted(lambda: commands.lock(**where, order_no=f"O{no % 3}", hold=timedelta(milliseconds=5))),
                _transacted(lambda: commands.release(**where, order_no=f"O{no % 3}")),
                _transacted(commands.release_ended_locks),
            ]
        )

    for _ in range(5):
        at_once(app, [work(no) for no in range(8)])
        assert broken() == []


def test_busy_is_the_answer_when_a_lock_is_not_had(app: Any, world: World) -> None:
    mine = coupon(world)
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("SELECT 1 FROM coupon WHERE coupon_id = %s FOR UPDATE", (mine.coupon_id,))
        with pytest.raises(Busy):
            commands.redeem(till=till(world), key=key(), code=mine.code, order_no="O1", lines=BASKET)
    assert redeem(world, mine.code).coupon_id == mine.coupon_id
    assert clock.now() > mine.claimed_at
    assert broken() == []
