"""What stores are owed: months add up to the fen, a closed one never changes, two people close it."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from coupon_months import Used, undo, use
from factories import World, make_world
from invariants import broken
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.coupons.models import Redemption
from app.coupons.statements import commands, queries
from app.coupons.statements.models import CouponStatement, CouponStatementLine

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
IN_MARCH = datetime(2026, 3, 10, 4, tzinfo=UTC)
IN_APRIL = IN_MARCH + timedelta(days=31)
IN_MAY = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _ask(world: World, month: date, by: str = "adm_1") -> commands.Asked:
    with transaction():
        return commands.ask(brand_id=world.brand_id, month=month, by=by)


def _close(world: World, month: date, digest: str, by: str = "adm_2") -> None:
    with transaction():
        commands.close(brand_id=world.brand_id, month=month, digest=digest, by=by)


def _closed(world: World, month: date) -> None:
    _close(world, month, _ask(world, month).digest)


def _sums(world: World, month: date) -> dict[int, queries.Sum]:
    with transaction():
        return queries.sums(world.brand_id, month)


def _refused(code: str, work: Any) -> None:
    with pytest.raises(SiyuError) as refused:
        work()
    assert refused.value.code == code


def test_a_return_counts_in_the_month_in_which_it_happens(world: World) -> None:
    first = use(world, IN_MARCH, fen=700)
    use(world, IN_MARCH, fen=300)
    undo(world, first, IN_APRIL)
    with time_machine.travel(IN_MAY, tick=False):
        march, april = (_sums(world, month)[world.store.id] for month in (MARCH, APRIL))
    assert (march.used, march.back, march.discount_fen, march.hq_fen) == (2, 0, 1000, 1000)
    assert (april.used, april.back, april.taken_fen, april.back_fen, april.discount_fen) == (0, 1, 0, -700, -700)


def test_who_owes_is_told_apart_and_suppliers_by_name(world: World) -> None:
    use(world, IN_MARCH, store=1, fen=1000, hq_bp=6000)
    use(world, IN_MARCH, fen=1000, supplier="光明乳业", share=250)
    use(world, IN_MARCH, fen=100, supplier="蒙牛", share=100)
    with time_machine.travel(IN_MAY, tick=False):
        found = _sums(world, MARCH)
    dealer, own = found[world.stores[1].id], found[world.store.id]
    assert (dealer.hq_fen, dealer.dealer_fen, dealer.supplier_fen, dealer.suppliers) == (600, 400, 0, {})
    assert (own.hq_fen, own.supplier_fen, own.suppliers) == (750, 350, {"光明乳业": 250, "蒙牛": 100})
    assert queries.total(found).discount_fen == 2100


def test_months_are_the_brands_months(world: World) -> None:
    use(world, datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC), fen=100)  # the last second of March in Shanghai
    use(world, datetime(2026, 3, 31, 16, 0, tzinfo=UTC), fen=200)
    with time_machine.travel(IN_MAY, tick=False):
        assert _sums(world, MARCH)[world.store.id].discount_fen == 100
        assert _sums(world, APRIL)[world.store.id].discount_fen == 200


def test_a_closed_month_never_changes_and_what_comes_back_later_is_a_line_of_its_own_month(world: World) -> None:
    used = use(world, IN_MARCH, fen=900)
    with time_machine.travel(IN_APRIL, tick=False):
        _closed(world, MARCH)
        before = _sums(world, MARCH)
    undo(world, used, IN_APRIL)
    with time_machine.travel(IN_MAY, tick=False):
        assert _sums(world, MARCH) == before
        assert _sums(world, APRIL)[world.store.id].discount_fen == -900
        _closed(world, APRIL)
    assert broken("coupons") == []


def test_what_is_told_late_of_a_closed_month_is_a_line_of_the_first_open_one(world: World) -> None:
    use(world, IN_MARCH, fen=100)
    with time_machine.travel(IN_APRIL, tick=False):
        _closed(world, MARCH)
    late = use(world, IN_MARCH + timedelta(days=5), fen=40)  # an offline till's, told in April
    with time_machine.travel(IN_MAY, tick=False):
        assert _sums(world, MARCH)[world.store.id].discount_fen == 100
        assert _sums(world, APRIL)[world.store.id].discount_fen == 40
        _closed(world, APRIL)
        assert _sums(world, MAY) == {}
        assert [line.redemption_id for line in _lines(world, APRIL)] == [late.redemption_id]
    assert broken("coupons") == []


def _lines(world: World, month: date) -> list[queries.Line]:
    with transaction():
        return queries.lines(world.brand_id, month, world.store.id, limit=100)


def test_months_close_in_order_when_they_are_over_and_once(world: World) -> None:
    use(world, IN_MARCH)
    with time_machine.travel(IN_MARCH, tick=False):
        _refused("month_not_over", lambda: _ask(world, MARCH))
        _refused("month_unknown", lambda: _sums(world, APRIL))
    with time_machine.travel(IN_MAY, tick=False):
        _refused("earlier_month_open", lambda: _ask(world, APRIL))
        _refused("closing_not_asked", lambda: _close(world, MARCH, "0" * 64))
        _closed(world, MARCH)
        _refused("month_closed", lambda: _ask(world, MARCH))
        _refused("month_closed", lambda: _close(world, MARCH, "0" * 64))
        _closed(world, APRIL)  # in which nothing happened
    assert broken("coupons") == []


def test_a_second_person_closes_exactly_what_was_asked_for(world: World) -> None:
    use(world, IN_MARCH, fen=100)
    with time_machine.travel(IN_APRIL, tick=False):
        asked = _ask(world, MARCH)
        _refused("second_person_needed", lambda: _close(world, MARCH, asked.digest, by="adm_1"))
        _refused("statement_changed", lambda: _close(world, MARCH, "f" * 64))
    use(world, IN_MARCH + timedelta(hours=1), fen=50)  # told meanwhile
    with time_machine.travel(IN_APRIL, tick=False):
        _refused("statement_changed", lambda: _close(world, MARCH, asked.digest))
        with transaction():
            assert session.query(CouponStatementLine).count() == 0
        again = _ask(world, MARCH, by="adm_3")
        assert again.digest != asked.digest and again.discount_fen == 150
        _close(world, MARCH, again.digest)
    assert broken("coupons") == []


@pytest.mark.parametrize("model", [CouponStatementLine, CouponStatement])
def test_frozen_rows_cannot_be_changed_or_deleted(world: World, model: Any) -> None:
    use(world, IN_MARCH)
    with time_machine.travel(IN_APRIL, tick=False):
        _closed(world, MARCH)
    for statement in (update(model).values(hq_fen=1, discount_fen=1), delete(model)):
        with pytest.raises((DBAPIError, psycopg.Error)), transaction():
            session.execute(statement)


def test_the_doctor_sees_a_line_that_is_no_fact_any_more(world: World) -> None:
    use(world, IN_MARCH, fen=500)
    with time_machine.travel(IN_APRIL, tick=False):
        _closed(world, MARCH)
    with transaction():
        session.execute(update(Redemption).values(discount_fen=400, hq_fen=400))
    assert "coupons.closed_lines_are_facts" in {finding.name for finding in broken("coupons")}


@pytest.mark.parametrize("seed", range(3))
def test_random_months_add_up_to_the_fen_of_their_redemptions(world: World, seed: int) -> None:
    """Any number of uses and returns in any order, with months closed in between: the books of all months together are
    what the redemptions say, by store and by who pays."""
    chance = random.Random(seed)
    start = datetime(2026, 2, 28, 16, tzinfo=UTC)
    live: list[Used] = []
    facts: list[tuple[Used, int]] = []
    for month in (MARCH, APRIL):
        for _ in range(12):
            at = start + timedelta(seconds=chance.randrange(29 * 86_400))
            if live and chance.random() < 0.4:
                one = live.pop(chance.randrange(len(live)))
                at = max(at, start + timedelta(days=29))
                undo(world, one, at)
                facts.append((one, -1))
            else:
                fen = chance.randrange(1, 2000)
                store, share = chance.randrange(2), chance.randrange(fen // 3 + 1)
                one = use(world, at, store=store, fen=fen, hq_bp=10_000, supplier="供应商", share=share)
                live.append(one)
                facts.append((one, 1))
        start += timedelta(days=31)
        with time_machine.travel(start + timedelta(days=1), tick=False):
            _closed(world, month)
    with time_machine.travel(IN_MAY, tick=False):
        books = [sums for month in (MARCH, APRIL, MAY) for sums in _sums(world, month).items()]
    for store in world.stores:
        for name in ("discount_fen", "hq_fen", "dealer_fen", "supplier_fen"):
            told = sum(getattr(one, name) for store_id, one in books if store_id == store.id)
            assert told == sum(sign * getattr(one, name) for one, sign in facts if one.store_id == store.id), name
    with transaction():
        rows = session.query(Redemption).filter(Redemption.returned_at.is_(None))
        assert sum(row.discount_fen for row in rows) == sum(one.discount_fen for _, one in books)
    assert broken("coupons") == []
