"""Many hands on one ledger: real threads, real commits. Each guard has a twin without it, to show that it is needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from at_once import at_once
from factories import World
from invariants import broken
from loyalty import add_benefit, an_order, set_rules
from sqlalchemy import func, select

from app.core import clock
from app.core.db import session
from app.core.transaction import run, transaction
from app.flows.order_paid import Paid, order_paid
from app.points import commands, queries
from app.points.errors import NotEnough
from app.sales.models import SalesOrder
from app.tiers.models import MemberTier

T = TypeVar("T")
THREADS = 8


def earn(member_id: int, amount: int, cause: str, currency: str = "points") -> bool:
    with transaction():
        balance = commands.earn(
            brand_id=1, member_id=member_id, currency=currency, amount=amount, cause=cause, at=clock.now()
        )
    return balance is not None


def spend(member_id: int, amount: int, cause: str) -> bool | None:
    """True when spent, False when it was spent before, None when there was not enough."""

    def work() -> bool:
        return commands.spend(brand_id=1, member_id=member_id, amount=amount, cause=cause, at=clock.now())

    try:
        return run(work)
    except NotEnough:
        return None


def test_parallel_spends_never_go_below_the_floor(app: Any) -> None:
    for lot in range(5):
        earn(7, 20, f"lot:{lot}")
    done = at_once(app, [lambda n=n: spend(7, 30, f"gift:{n}") for n in range(THREADS)])
    assert (done.count(True), done.count(None)) == (3, THREADS - 3)
    assert queries.balances(1, 7)["points"] == 10
    assert broken("points.") == []


def test_without_the_guard_parallel_spends_overdraw(app: Any) -> None:
    """The twin: read, decide, write. Everyone sees 100 points, everyone is served."""
    earn(7, 100, "lot:1")
    read = threading.Barrier(THREADS)

    def careless() -> bool:
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT amount FROM balance WHERE member_id = 7").fetchone()
            assert row is not None
            read.wait()
            if row[0] < 30:
                return False
            connection.execute("UPDATE balance SET amount = %s WHERE member_id = 7", (row[0] - 30,))
            return True

    served = at_once(app, [careless] * THREADS).count(True)
    assert served * 30 > 100, "the race that the guard is for did not happen"
    assert {one.name for one in broken("points.")} >= {"points.balances_are_sums_of_postings"}


def test_one_spend_repeated_in_parallel_happens_once(app: Any) -> None:
    earn(7, 100, "lot:1")
    done = at_once(app, [lambda: spend(7, 30, "gift:1")] * THREADS)
    assert (done.count(True), done.count(False)) == (1, THREADS - 1)
    assert queries.balances(1, 7)["points"] == 70
    assert broken("points.") == []


def test_one_cause_earned_in_parallel_earns_once(app: Any) -> None:
    done = at_once(app, [lambda: earn(7, 30, "gift:1")] * THREADS)
    assert done.count(True) == 1
    assert queries.balances(1, 7)["points"] == 30
    assert broken("points.") == []


def test_earning_spending_and_expiring_at_once_keep_the_books(app: Any) -> None:
    for lot in range(10):
        earn(7, 10, f"lot:{lot}")

    def expire() -> None:
        with transaction():
            commands.expire(brand_id=1, member_ids=[7, 8], at=clock.now())

    works: list[Callable[[], object]] = []
    for n in range(4):
        works += [lambda n=n: earn(7, 5, f"more:{n}"), lambda n=n: spend(7, 15, f"gift:{n}"), expire]
    assert not [one for one in at_once(app, works) if isinstance(one, str)]
    assert queries.balances(1, 7)["points"] == 100 + 20 - 60
    assert broken("points.") == []


def pay(world: World, order_no: str, yuan: int, paid_at: Any = None) -> Paid:
    order = an_order(order_no, yuan * 100, store_id=world.store.id, paid_at=paid_at)
    return run(lambda: order_paid(brand_id=world.brand_id, member_id=7, order=order))


def test_one_order_uploaded_in_parallel_is_one_order(app: Any, world: World) -> None:
    set_rules(world.brand_id)
    paid_at = clock.now()
    done = at_once(app, [lambda: pay(world, "A1", 600, paid_at)] * THREADS)
    assert [paid.new for paid in done].count(True) == 1
    assert len({(paid.order_id, paid.points, paid.growth, paid.points_balance) for paid in done}) == 1
    assert session.scalar(select(func.count()).select_from(SalesOrder)) == 1
    assert queries.balances(world.brand_id, 7) == {"points": 600, "growth": 600}
    assert broken("points.", "sales.", "tiers.") == []


def test_different_orders_of_one_member_raise_it_once(app: Any, world: World, run_work: Any) -> None:
    """Eight orders of 100 yuan pass the 500 of silver: whichever comes fifth raises, and later ones earn its rate."""
    tiers = set_rules(world.brand_id)
    add_benefit(world.brand_id, tiers["silver"], points=1_000)
    done = at_once(app, [lambda n=n: pay(world, f"A{n}", 100) for n in range(THREADS)])
    assert sorted(paid.points for paid in done) == [100] * 5 + [120] * 3
    assert [paid.upgraded for paid in done].count(True) == 2  # onto bronze, and onto silver
    rows = session.execute(select(MemberTier.tier_id, MemberTier.valid_to).order_by(MemberTier.valid_from)).all()
    assert [row.tier_id for row in rows] == [tiers["bronze"], tiers["silver"]]
    run_work()
    assert queries.balances(world.brand_id, 7)["points"] == 5 * 100 + 3 * 120 + 1_000
    assert broken() == []


def test_the_growth_row_keeps_two_orders_from_missing_each_other(app: Any, world: World) -> None:
    """The twin of the lock: two orders that each see only their own growth leave the member too low."""
    set_rules(world.brand_id)
    pay(world, "A0", 100)
    read = threading.Barrier(2)
    statement = """
        WITH j AS (
            INSERT INTO journal (brand_id, member_id, journal_id, currency, kind, cause, at, correlation_id)
            VALUES (%(b)s, 7, %(id)s, 'growth', 'adjust', %(c)s, now(), 'cor_twin') RETURNING journal_id
        )
        INSERT INTO posting (brand_id, member_id, journal_id, line, account, lot_id, amount)
        SELECT %(b)s, 7, journal_id, line, account, NULL, amount
        FROM j, (VALUES (1, 'member', 300), (2, 'adjusted', -300)) AS part (line, account, amount)
    """
    seen = """
        SELECT sum(amount) FROM posting JOIN journal USING (journal_id)
        WHERE currency = 'growth' AND account = 'member'
    """

    def careless(number: int) -> int:
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            connection.execute(statement, {"b": world.brand_id, "id": number, "c": f"twin:{number}"})
            row = connection.execute(seen).fetchone()  # no lock: the other's growth is not there yet
            read.wait()
            assert row is not None
            return int(row[0])

    seen_by_both = at_once(app, [lambda: careless(1), lambda: careless(2)])
    assert seen_by_both == [400, 400]  # nobody saw the 700 that call for silver
    assert "tiers.not_below_growth" in {one.name for one in broken("tiers.")}
