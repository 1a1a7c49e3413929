"""Closing months and guessing codes under many hands; each guard has a twin that loses without it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any

import psycopg
import pytest
import time_machine
from at_once import at_once
from coupon_factories import BASKET, coupon, till
from coupon_months import use
from factories import World, make_world
from invariants import broken
from sqlalchemy import update

from app.core import hot
from app.core.db import session
from app.core.errors import TooManyRequests
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.errors import CouponUnknown
from app.coupons.fraud import commands as fraud
from app.coupons.fraud.models import Flag
from app.coupons.models import Coupon, CouponCode
from app.coupons.statements import commands as statements
from app.coupons.statements import queries
from app.coupons.statements.models import CouponStatementLine
from app.flows import coupon_limits
from app.flows.coupon_limits import WRONG_IN_STORE, WRONG_OF_CALLER, trying_codes

HANDS = 8
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
IN_MARCH = datetime(2026, 3, 10, 4, tzinfo=UTC)
IN_MAY = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.fixture
def world(app: Any) -> Iterator[World]:
    """A world whose hot pool has enough connections for a real crowd."""
    settings = app.extensions["siyu"]
    hot.configure(settings.database_url, HANDS * 2)
    yield make_world()
    hot.configure(settings.database_url, settings.hot_pool_size)


def _asked(world: World, month: date) -> str:
    with transaction():
        return statements.ask(brand_id=world.brand_id, month=month, by="adm_1").digest


def _closing(world: World, month: date, digest: str, by: str) -> Any:
    def work() -> str:
        with transaction():
            statements.close(brand_id=world.brand_id, month=month, digest=digest, by=by)
        return "closed"

    return work


def test_many_close_one_month_and_one_of_them_does(app: Any, world: World) -> None:
    for _ in range(5):
        use(world, IN_MARCH)
    with time_machine.travel(IN_MAY, tick=True):
        digest = _asked(world, MARCH)
        results = at_once(app, [_closing(world, MARCH, digest, f"adm_{n}") for n in range(2, 2 + HANDS)])
    assert Counter(results) == {"closed": 1, "month_closed": HANDS - 1}
    with transaction():
        assert session.query(CouponStatementLine).count() == 5
    assert broken("coupons") == []


def test_a_month_closes_while_coupons_are_used_and_given_back(app: Any, world: World) -> None:
    """What commits during the closing is in the books of this month or the next, and in one of them only."""
    live = [use(world, IN_MARCH + timedelta(minutes=n)) for n in range(HANDS)]
    with time_machine.travel(IN_MAY, tick=True):
        digest = _asked(world, MARCH)

        def give_back(redemption_id: int) -> Any:
            def work() -> None:
                with transaction():
                    commands.give_back(brand_id=world.brand_id, redemption_id=redemption_id)

            return work

        works = [give_back(one.redemption_id) for one in live[: HANDS - 1]]
        at_once(app, [*works, _closing(world, MARCH, digest, "adm_2")])
        with transaction():
            books = [queries.total(queries.sums(world.brand_id, one)) for one in (MARCH, APRIL, date(2026, 5, 1))]
    assert [one.discount_fen for one in books] == [500 * HANDS, 0, -500 * (HANDS - 1)]
    assert broken("coupons") == []


def test_twin_books_without_the_key_of_a_fact_hold_it_twice(app: Any, world: World) -> None:
    """What the lock and the key of a line are for: two closings that each copy what is not in the books yet."""
    use(world, IN_MARCH)
    gate = Barrier(2)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE naive_line (redemption_id bigint NOT NULL, fen bigint NOT NULL)")
    try:

        def naive() -> None:
            with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
                connection.execute(
                    "INSERT INTO naive_line SELECT redemption_id, discount_fen FROM redemption r "
                    "WHERE NOT EXISTS (SELECT FROM naive_line l WHERE l.redemption_id = r.redemption_id)"
                )
                gate.wait(30)

        at_once(app, [naive] * 2)
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            assert connection.execute("SELECT count(*), sum(fen) FROM naive_line").fetchone() == (2, 1000)
    finally:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DROP TABLE naive_line")


def test_many_raise_one_flag_and_one_of_many_decides_it(app: Any, world: World) -> None:
    def raise_it(count: int) -> Any:
        def work() -> None:
            with transaction():
                fraud.flag(
                    brand_id=world.brand_id,
                    rule="store_redeems",
                    subject="store:1",
                    window_from=IN_MARCH,
                    count=count,
                    evidence={},
                )

        return work

    at_once(app, [raise_it(count) for count in range(1, HANDS + 1)])
    with transaction():
        (flag,) = session.query(Flag).all()
    assert flag.count == HANDS

    def decide(by: int) -> Any:
        def work() -> str:
            with transaction():
                fraud.decide(
                    brand_id=world.brand_id, flag_id=flag.flag_id, status="cleared", words="核实", by=f"adm_{by}"
                )
            return "decided"

        return work

    results = at_once(app, [decide(by) for by in range(HANDS)])
    assert Counter(results) == {"decided": 1, "flag_decided": HANDS - 1}


# Codes that somebody made from a counter instead of 60 random bits: a thousand of them hold one coupon.
WEAK = 1024


def _weak(number: int) -> str:
    return codes._with_check(codes._spell(number, 12))


def _planted(world: World, number: int) -> None:
    """A coupon whose code is weak."""
    mine = coupon(world)
    with transaction():
        where = (Coupon.brand_id == world.brand_id, Coupon.coupon_id == mine.coupon_id)
        session.execute(update(Coupon).where(*where).values(code=_weak(number)))
        session.execute(update(CouponCode).where(CouponCode.coupon_id == mine.coupon_id).values(code=_weak(number)))


def _guess(world: World, numbers: range, *, store: int = 0) -> Any:
    """Tries one weak code after the other: what was found, and how many were looked at before that or the limit."""

    def work() -> tuple[str | None, int]:
        looked = 0
        for number in numbers:
            try:
                with trying_codes(
                    brand_id=world.brand_id,
                    store_id=world.stores[store].id,
                    caller=f"till:{world.till.id}",
                    shown=[_weak(number)],
                ):
                    commands.price(till=till(world), code=_weak(number), order_no="G1", lines=BASKET)
                return _weak(number), looked + 1
            except TooManyRequests:
                return None, looked
            except CouponUnknown:
                looked += 1
        return None, looked

    return work


def test_brute_force_of_codes_ends_at_the_limit_and_would_take_longer_than_coupons_last(app: Any, world: World) -> None:
    """Many hands at once look at no more codes in a minute than the limit (and one more a hand that had begun), so that
    even of a hundred million coupons none is found in a lifetime.
    """
    _planted(world, WEAK - 1)
    share = WEAK // HANDS
    with time_machine.travel(IN_MARCH, tick=False):
        results = at_once(app, [_guess(world, range(n * share, (n + 1) * share)) for n in range(HANDS)])
    assert [found for found, _ in results] == [None] * HANDS
    assert sum(looked for _, looked in results) <= WRONG_IN_STORE + HANDS
    assert broken("coupons") == []

    tries_a_second = 2000  # what one web process answers; the limit does not care
    years = 365.25 * 24 * 3600
    out = 100_000_000  # coupons that are good at one time
    with_limit = 2**codes._CODE_BITS / out / (min(tries_a_second * 60, WRONG_OF_CALLER) / 60) / years
    without = 2**codes._CODE_BITS / out / tries_a_second / years
    assert with_limit > 100 and without < 1  # years of one key until the first hit is expected
    assert 2**codes._CODE_BITS / (WRONG_OF_CALLER / 60) / years > 1e10  # of one coupon that somebody is after


def test_twin_brute_force_of_codes_without_the_limit_finds_weak_ones(
    app: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the limit is for: the same guesses, and nobody counts them."""
    monkeypatch.setattr(coupon_limits, "WRONG_IN_STORE", 10**9)
    monkeypatch.setattr(coupon_limits, "WRONG_OF_CALLER", 10**9)
    _planted(world, WEAK - 1)
    share = WEAK // HANDS
    results = at_once(app, [_guess(world, range(n * share, (n + 1) * share)) for n in range(HANDS)])
    assert [found for found, _ in results if found] == [_weak(WEAK - 1)]
    assert sum(looked for _, looked in results) == WEAK
