"""Coupons' twins under many hands and killed ones; each guard has a twin that loses without it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest
from at_once import at_once
from invariants import broken
from serving import serving
from sqlalchemy import select
from twin_show import Show

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.coupons.models import Coupon, Redemption
from app.coupons.twins import bindings, commands, rules
from app.coupons.twins.events import TwinDue
from app.coupons.twins.models import CouponTwin
from app.coupons.twins.rules import Fact
from app.flows.coupon_twins import adapters, converge, reactions
from app.wechat.simulator.server import create_app

HANDS = 8


@pytest.fixture
def show(world, tencent, run_work) -> Show:  # type: ignore[no-untyped-def]
    return Show(world, tencent, run_work)


def _key(coupon: Coupon) -> dict[str, int]:
    return {"brand_id": coupon.brand_id, "member_id": coupon.member_id, "coupon_id": coupon.coupon_id}


def _due(coupon: Coupon) -> TwinDue:
    return TwinDue(**_key(coupon))


def _facts() -> list[Fact]:
    start = clock.now() + timedelta(minutes=1)
    return [
        Fact(state, start + timedelta(seconds=number), rules.USED, use_ref=f"x-{number}")
        for number, state in enumerate(["effective", "used"] * (HANDS // 2))
    ]


def test_the_newest_of_many_facts_at_once_stays(app: Any, show: Show) -> None:
    mine = show.given()
    for seed in range(3):
        facts = _facts()
        random.Random(seed).shuffle(facts)

        def note(fact: Fact) -> bool:
            with transaction():
                return commands.note_fact(**_key(mine), fact=fact)

        at_once(app, [lambda fact=fact: note(fact) for fact in facts])  # type: ignore[misc]
        newest = max(facts, key=lambda fact: fact.at)
        twin = show.twin(mine)
        assert (twin.state, twin.fact_at, twin.use_ref) == (newest.state, newest.at, newest.use_ref)


def test_twin_read_then_write_lets_an_older_fact_win(app: Any, show: Show) -> None:
    """What the condition in the statement is for: both read, the newer writes first, the older after it."""
    mine, (older, newer) = show.given(), _facts()[:2]
    both_read, newer_wrote = Barrier(2), Barrier(2)

    def naive(fact: Fact) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            where = (mine.coupon_id,)
            row = connection.execute("SELECT fact_at FROM coupon_twin WHERE coupon_id = %s", where).fetchone()
            both_read.wait(30)
            if fact is older:
                newer_wrote.wait(30)
            if row is not None and row[0] < fact.at:
                connection.execute(
                    "UPDATE coupon_twin SET state = %s, fact_at = %s WHERE coupon_id = %s",
                    (fact.state, fact.at, mine.coupon_id),
                )
            if fact is newer:
                newer_wrote.wait(30)

    at_once(app, [lambda: naive(older), lambda: naive(newer)])
    assert show.twin(mine).fact_at == older.at


def _used_there(show: Show) -> Coupon:
    """A coupon that WeChat Pay told to be used, and nobody compared yet."""
    mine = show.given()
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"), tell=False)
    seen = adapters.channel(rules.PRODUCT).look(converge.ref_of(show.twin(mine), mine.code))
    with transaction():
        commands.note_fact(**_key(mine), fact=seen)
    return mine


def _asks(mine: Coupon) -> list[converge.Ask]:
    asks = []
    for _ in range(HANDS):
        with transaction():
            ask = converge.EFFECT.read(_due(mine))
        assert ask is not None and ask.step.kind == "adopt"
        asks.append(ask)
    return asks


def test_a_use_there_makes_one_redemption_whoever_hears_of_it(app: Any, show: Show) -> None:
    mine = _used_there(show)
    asks = _asks(mine)
    answers = at_once(app, [lambda ask=ask: converge.EFFECT.call(ask) for ask in asks])
    assert len({one.redemption_id for one in answers}) == 1 and not any(one.refused for one in answers)
    for ask, answer in zip(asks, answers, strict=True):
        with transaction():
            converge.EFFECT.record(ask, answer)
    assert session.query(Redemption).count() == 1
    session.remove()
    assert show.conflicts() == [] and broken() == []


def test_twin_without_the_use_as_its_key_every_other_hand_is_refused(app: Any, show: Show) -> None:
    """What the idempotency key of the channel's use is for: a key of their own each, and all but one would withdraw or
    report a coupon that was redeemed as it should be.
    """
    mine = _used_there(show)
    asks = [replace(ask, step=rules.Step("adopt", ref=f"other-{no}")) for no, ask in enumerate(_asks(mine))]
    answers = at_once(app, [lambda ask=ask: converge.EFFECT.call(ask) for ask in asks])
    assert Counter(one.refused for one in answers) == {None: 1, "coupon_redeemed": HANDS - 1}


def test_our_till_and_wechat_at_the_same_moment_redeem_once_and_tell_a_person(app: Any, show: Show) -> None:
    mine = _used_there(show)
    (ask, *_) = _asks(mine)
    results = at_once(app, [lambda: show.redeem(mine, "TILL-1"), lambda: converge.EFFECT.call(ask)])
    assert session.query(Redemption).filter(Redemption.returned_at.is_(None)).count() == 1
    session.remove()
    adopted = isinstance(results[1], converge.Answer) and results[1].redemption_id is not None
    assert adopted == (results[0] == "coupon_redeemed")
    with transaction():
        converge.EFFECT.record(ask, results[1])
    show.settle()
    assert [one.kind for one in show.conflicts()] == ([] if adopted else ["used_twice"])
    assert broken() == []


def test_a_contradiction_is_laid_before_a_person_once(app: Any, show: Show) -> None:
    mine = show.given()
    show.redeem(mine, "TILL-1")
    show.settle()
    show.pay.give_back(show.theirs(mine), show.elsewhere(), tell=False)
    seen = adapters.channel(rules.PRODUCT).look(converge.ref_of(show.twin(mine), mine.code))
    with transaction():
        commands.note_fact(**_key(mine), fact=seen)

    def find() -> None:
        with transaction():
            converge.EFFECT.read(_due(mine))

    at_once(app, [find] * HANDS)
    assert [one.kind for one in show.conflicts()] == ["returned_outside"]


def test_twin_look_then_insert_lays_it_before_a_person_several_times(app: Any, show: Show) -> None:
    """What the natural key of a contradiction is for."""
    gate = Barrier(HANDS)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE naive_conflict (coupon_id bigint NOT NULL)")
    try:

        def naive() -> None:
            with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
                found = connection.execute("SELECT count(*) FROM naive_conflict").fetchone()
                gate.wait(30)
                if found == (0,):
                    connection.execute("INSERT INTO naive_conflict VALUES (1)")

        at_once(app, [naive] * HANDS)
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM naive_conflict").fetchone() == (HANDS,)
    finally:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DROP TABLE naive_conflict")


def test_a_campaign_is_bound_once(app: Any, show: Show) -> None:
    campaign_id = show.bound(channel=rules.LOCAL)
    with transaction():
        bindings.unbind(brand_id=show.brand_id, campaign_id=campaign_id)
    show.settle()

    def bind() -> bool:
        with transaction():
            bindings.bind(
                brand_id=show.brand_id, campaign_id=campaign_id, channel=rules.LOCAL,
                can=adapters.channel(rules.LOCAL).capabilities, own_codes=True, store_id=show.world.store.id,
                image_url="", stock=None, by="test",
            )  # fmt: skip
        return True

    results = at_once(app, [bind] * HANDS)
    assert Counter(results) == {True: 1, "binding_exists": HANDS - 1}


_VICTIM = """
import os, signal, sys
from app.background import create_app
from app.core.transaction import transaction
from app.coupons.twins.events import TwinDue
from app.flows.coupon_twins import converge

with create_app().app_context():
    brand, member, coupon = map(int, sys.argv[1:4])
    with transaction():
        ask = converge.EFFECT.read(TwinDue(brand_id=brand, member_id=member, coupon_id=coupon))
    assert ask is not None, "nothing to do"
    if sys.argv[4] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    converge.EFFECT.call(ask)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["send", "use", "return", "adopt"])
def test_a_worker_killed_between_both_sides_leaves_nothing_half_done(
    app: Any, show: Show, step: str, when: str
) -> None:
    """SIGKILL around the call: before WeChat Pay heard of it, and after it did while nobody wrote that down."""
    if step == "send":
        campaign_id = show.bound()
        mine = show.give(campaign_id, show.person()[0])
        with transaction():
            assert session.scalar(select(CouponTwin.coupon_id)) is None
            reactions.begin(**_key(mine))
    elif step == "adopt":
        mine = _used_there(show)
    else:
        mine = show.given()
        done = show.redeem(mine, "TILL-1")
        if step == "return":
            show.settle()
            show.give_back(done.redemption_id)
    with serving(create_app(show.tencent.engine)) as address:
        dead = subprocess.run(
            [sys.executable, "-c", _VICTIM, *map(str, _key(mine).values()), when],
            env=os.environ | {"WXPAY_API_BASE": address},
            capture_output=True,
            text=True,
            check=False,
        )
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    show.settle()
    there = show.theirs(mine)
    expected = {"send": "EFFECTIVE", "use": "USED", "return": "EFFECTIVE", "adopt": "USED"}[step]
    assert there.state == expected and len(show.there.pay_coupons.rows) == 1
    ours = {"send": "claimed", "use": "redeemed", "return": "returned", "adopt": "redeemed"}[step]
    if step == "adopt":
        with transaction():
            commands.due(**_key(mine))
        show.settle()
    assert show.ours(mine.coupon_id).status == ours
    assert Counter(one.split(":")[0] for one in there.done) == Counter(dict.fromkeys(_told(step), 1))
    assert show.conflicts() == [] and broken() == []


def _told(step: str) -> list[str]:
    return ["confirm"] + {"send": [], "use": ["use"], "return": ["use", "return"], "adopt": ["use"]}[step]


def test_twin_telling_without_a_request_number_of_its_own_uses_twice(show: Show) -> None:
    """What the number of a redemption is for: with a fresh one for each try, WeChat Pay refuses the second as another
    use, which nobody could tell from a use elsewhere.
    """
    mine = show.given()
    channel, twin = adapters.channel(rules.PRODUCT), converge.ref_of(show.twin(mine), mine.code)
    channel.use(twin, at=clock.now(), order_no="O1", request_no="try-000001")
    with pytest.raises(Exception, match="INVALID_REQUEST"):
        channel.use(twin, at=clock.now(), order_no="O1", request_no="try-000002")
    same = channel.use(twin, at=clock.now(), order_no="O1", request_no="try-000001")
    assert same.state == "used"
