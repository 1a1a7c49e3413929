"""What stores are owed: months add up to the fen, a closed one never changes, two people close it."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from coupon_months import Used, conflict, refund, undo, use, use_offline, use_together
from factories import World, make_world
from invariants import broken
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.models import Redemption, RedemptionRefund
from app.coupons.statements import bills, commands, conflicts, queries
from app.coupons.statements.models import CouponStatement, CouponStatementLine

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
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
    use(world, IN_MARCH, fen=1000, supplier="光明乳业", supplier_bp=2500)
    use(world, IN_MARCH, fen=100, supplier="蒙牛", supplier_bp=10_000)
    with time_machine.travel(IN_MAY, tick=False):
        found = _sums(world, MARCH)
    dealer, own = found[world.stores[1].id], found[world.store.id]
    assert (dealer.hq_fen, dealer.dealer_fen, dealer.supplier_fen, dealer.suppliers) == (600, 400, 0, {})
    assert (own.hq_fen, own.supplier_fen, own.suppliers) == (750, 350, {"光明乳业": 250, "蒙牛": 100})
    assert queries.total(found).discount_fen == 2100


def test_who_pays_a_month_adds_up_to_it_and_each_has_their_lines(world: World, monkeypatch: Any) -> None:
    use(world, IN_MARCH, store=1, fen=1000, hq_bp=6000)
    used = use(world, IN_MARCH, store=1, fen=1000, hq_bp=0, supplier="光明乳业", supplier_bp=2500)
    use(world, IN_MARCH, fen=100, supplier="蒙牛", supplier_bp=10_000)
    undo(world, used, IN_MARCH + timedelta(days=1))
    monkeypatch.setattr(bills, "CHUNK", 2)
    with time_machine.travel(IN_MAY, tick=False):
        assert _payers(world, MARCH) == [
            ("hq", None, None, 1, 600),
            ("dealer", world.dealer.id, None, 3, 400),
            ("supplier", None, "光明乳业", 2, 0),
            ("supplier", None, "蒙牛", 1, 100),
        ]
        assert [len(piece) for piece in _pieces(world, MARCH)] == [2, 2]
        told = [line for piece in _pieces(world, MARCH) for line in piece]
        assert [(line.store_id, line.kind) for line in told] == [
            (world.store.id, "redeemed"),
            *((world.stores[1].id, kind) for kind in ("redeemed", "redeemed", "returned")),
        ]
        assert [line.supplier_fen for line in _lines_of(world, MARCH, supplier="光明乳业")] == [250, -250]
        assert sum(line.dealer_fen for line in _lines_of(world, MARCH, dealer=True)) == 400
        assert len(_lines_of(world, MARCH, dealer=True)) == 3
        assert _lines_of(world, MARCH, supplier="光明乳业", stores=[world.store.id]) == []
        with transaction():
            begun: Any = bills.lines(world.brand_id, MARCH)
            assert len(next(begun)) == 2
            begun.close()  # whoever wants no more of it leaves no cursor behind
            assert session.scalar(text("SELECT count(*) FROM pg_cursors")) == 0
        _closed(world, MARCH)
        assert [line for piece in _pieces(world, MARCH) for line in piece] == told


def _payers(world: World, month: date) -> list[bills.Payer]:
    return bills.payers(_sums(world, month), {store.id: store.dealer_id for store in world.stores})


def _pieces(world: World, month: date, stores: Any = None, **asked: Any) -> list[list[queries.Line]]:
    with transaction():
        return [*bills.lines(world.brand_id, month, stores, **asked)]


def _lines_of(world: World, month: date, **asked: Any) -> list[queries.Line]:
    return [line for piece in _pieces(world, month, **asked) for line in piece]


def test_months_are_the_brands_months(world: World) -> None:
    use(world, datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC), fen=100)  # the last second of March in Shanghai
    use(world, datetime(2026, 3, 31, 16, 0, tzinfo=UTC), fen=200)
    with time_machine.travel(IN_MAY, tick=False):
        assert _sums(world, MARCH)[world.store.id].discount_fen == 100
        assert _sums(world, APRIL)[world.store.id].discount_fen == 200


def test_offline_conflicts_stand_beside_the_brands_month_in_which_they_were_told(world: World) -> None:
    with transaction():
        coupons.set_offline_limit(brand_id=world.brand_id, store_id=world.store.id, limit_fen=300)
    assert conflict(world, IN_MARCH, fen=300) == "conflict"
    # The last second of March in Shanghai, and the first of April.
    assert conflict(world, datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC), fen=301) == "over"
    assert conflict(world, datetime(2026, 3, 31, 16, 0, tzinfo=UTC), fen=200) == "conflict"
    assert conflict(world, IN_MARCH, store=1, fen=50) == "over"
    use_offline(world, IN_MARCH, IN_MARCH + timedelta(hours=1), fen=1000)
    own, dealers = (store.id for store in world.stores)
    with time_machine.travel(IN_MAY, tick=False):
        assert _conflicts(world, MARCH) == {own: (2, 601), dealers: (1, 50)}
        assert _conflicts(world, APRIL) == {own: (1, 200)}
        assert _conflicts(world, MARCH, dealers) == {dealers: (1, 50)}
        assert _conflicts(world, MAY) == {}
        assert queries.total(_sums(world, MARCH)).discount_fen == 300 + 301 + 200 + 50 + 1000  # those that came first
        assert dealers not in _sums(world, MARCH)


def _conflicts(world: World, month: date, *stores: int) -> dict[int, conflicts.Conflicts]:
    with transaction():
        return conflicts.by_store(world.brand_id, month, stores or [store.id for store in world.stores])


def test_offline_conflicts_are_read_by_their_index(world: World) -> None:
    since, until = queries.bounds(world.brand_id, MARCH)
    values = {"brand_id": world.brand_id, "stores": [world.store.id], "since": since, "until": until}
    with transaction():
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = " ".join(session.scalars(queries.typed(f"EXPLAIN {conflicts.BY_STORE}"), values))
    assert "ix_offline_receipt_store" in plan and "(received_at >= " in plan.split("Index Cond: ")[1]


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


def test_no_month_before_a_closed_one_is_closed_after_it(world: World) -> None:
    """What is told of it later is a line of the first open month, and it is shown as it was when its books ended."""
    use(world, IN_MARCH, fen=100)
    with time_machine.travel(IN_APRIL, tick=False):
        january = _ask(world, JANUARY)
        _closed(world, MARCH)
    use(world, IN_MARCH - timedelta(days=18), fen=40)  # in February, told in May
    with time_machine.travel(IN_MAY, tick=False):
        _refused("month_closed", lambda: _ask(world, FEBRUARY))
        _refused("month_closed", lambda: _close(world, JANUARY, january.digest))
        assert _sums(world, FEBRUARY) == {}
        assert _sums(world, APRIL)[world.store.id].discount_fen == 40
        _closed(world, APRIL)
    assert broken("coupons") == []


def test_a_second_person_closes_exactly_what_was_asked_for(world: World) -> None:
    use(world, IN_MARCH, fen=100)
    with time_machine.travel(IN_APRIL, tick=False):
        asked = _ask(world, MARCH)
        _refused("second_closer_needed", lambda: _close(world, MARCH, asked.digest, by="adm_1"))
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


def test_a_refund_by_line_is_a_line_of_its_month_and_a_return_is_what_it_left(world: World) -> None:
    used = use(world, IN_MARCH, fen=1000, store=1, hq_bp=6000, supplier="光明乳业", supplier_bp=3000)
    first = refund(world, used, IN_MARCH + timedelta(days=1), 1, 1)
    second = refund(world, used, IN_APRIL, 1, 1)
    undo(world, used, IN_APRIL + timedelta(days=1))
    with time_machine.travel(IN_MAY, tick=False):
        march, april = (_sums(world, month)[world.stores[1].id] for month in (MARCH, APRIL))
        lines = queries.lines(world.brand_id, APRIL, world.stores[1].id, limit=10)
    assert (march.used, march.back, march.discount_fen) == (1, 1, 1000 - first)
    assert [(line.kind, line.discount_fen) for line in lines] == [
        ("refunded", -second),
        ("returned", first + second - 1000),
    ]
    for name in ("hq_fen", "dealer_fen", "supplier_fen", "discount_fen"):
        assert getattr(march, name) + getattr(april, name) == 0, name


def test_a_redemption_that_is_refunded_line_by_line_has_no_line_of_nothing(world: World) -> None:
    used = use(world, IN_MARCH, fen=1000)
    refund(world, used, IN_APRIL, 1, 3)
    refund(world, used, IN_APRIL + timedelta(hours=1), 2, 1)
    with time_machine.travel(IN_MAY, tick=False):
        april = _sums(world, APRIL)[world.store.id]
        assert (april.back, april.lines, april.discount_fen) == (2, 2, -1000)
        _closed(world, MARCH)
        _closed(world, APRIL)
        assert [line.kind for line in _lines(world, APRIL)] == ["refunded", "refunded"]
    assert broken("coupons") == []


@pytest.mark.parametrize("seed", range(6))
def test_random_months_add_up_to_the_fen_of_their_redemptions(world: World, seed: int) -> None:
    """Uses one by one, two on an order and told late, refunds by line and returns in any order, months closed
    in between: the books of all months together are what is left of the redemptions, by store and by who pays.
    """
    chance = random.Random(seed)
    start = datetime(2026, 2, 28, 16, tzinfo=UTC)
    live: list[tuple[Used, datetime]] = []
    for month in (MARCH, APRIL):
        for _ in range(12):
            act, at = chance.random(), start + timedelta(seconds=chance.randrange(29 * 86_400))
            if live and act < 0.5:
                one, before = live.pop(chance.randrange(len(live)))
                at = max(at, before + timedelta(minutes=1))
                if act < 0.2:
                    undo(world, one, at)
                else:
                    refund(world, one, at, *chance.choice([(1, 1), (2, 1)]))
            else:
                live += [(one, told_at) for one, told_at in _random_uses(world, chance, at)]
        start += timedelta(days=31)
        with time_machine.travel(start + timedelta(days=1), tick=False):
            _closed(world, month)
    with time_machine.travel(IN_MAY, tick=False):
        books = [sums for month in (MARCH, APRIL, MAY) for sums in _sums(world, month).items()]
        for month in (MARCH, APRIL, MAY):
            _payers_add_up(world, month)
    left = _left(world)
    for store in world.stores:
        for place, name in enumerate(("discount_fen", "hq_fen", "dealer_fen", "supplier_fen")):
            told = sum(getattr(one, name) for store_id, one in books if store_id == store.id)
            assert told == sum(fen[place] for store_id, fen in left if store_id == store.id), (store.code, name)
    assert broken("coupons") == []


def _payers_add_up(world: World, month: date) -> None:
    """Who pays a month pays all of it, and each of them what their lines say."""
    whole, payers = queries.total(_sums(world, month)), _payers(world, month)
    every = _lines_of(world, month)
    assert (len(every), sum(line.discount_fen for line in every)) == (whole.lines, whole.discount_fen)
    assert sum(one.fen for one in payers) == whole.discount_fen
    for kind in ("hq", "dealer", "supplier"):
        assert sum(one.fen for one in payers if one.kind == kind) == getattr(whole, f"{kind}_fen")
    for one in payers:
        if one.kind != "hq":
            lines = _lines_of(world, month, supplier=one.supplier or "", dealer=one.kind == "dealer")
            assert (len(lines), sum(getattr(line, f"{one.kind}_fen") for line in lines)) == (one.lines, one.fen)


def _random_uses(world: World, chance: random.Random, at: datetime) -> list[tuple[Used, datetime]]:
    """Coupons used about a moment, and when each was recorded."""
    how: dict[str, Any] = {
        "store": chance.randrange(2),
        "fen": chance.randrange(1, 2000),
        "hq_bp": chance.randrange(10_001),
        **chance.choice([{}, {"supplier": "供应商", "supplier_bp": chance.randrange(1, 10_001)}]),
    }
    act = chance.random()
    if act < 0.2:
        told_at = at + timedelta(seconds=chance.randrange(6 * 86_400))
        return [(use_offline(world, at, told_at, **how), told_at)]
    if act < 0.45:
        return [(one, at) for one in use_together(world, at, **how)]
    return [(use(world, at, **how), at)]


def _left(world: World) -> list[tuple[int, tuple[int, int, int, int]]]:
    """What each live redemption still takes off, in all and by who pays, read from its rows and refunds."""
    with transaction():
        back: dict[int, list[int]] = {}
        for row in session.query(RedemptionRefund).filter_by(brand_id=world.brand_id):
            fen = back.setdefault(row.redemption_id, [0, 0, 0, 0])
            for place, part in enumerate((row.fen, row.hq_fen, row.dealer_fen, row.supplier_fen)):
                fen[place] += part
        rows = session.query(Redemption).filter_by(brand_id=world.brand_id, returned_at=None).all()
    return [
        (
            row.store_id,
            tuple(  # type: ignore[misc]
                part - gone
                for part, gone in zip(
                    (row.discount_fen, row.hq_fen, row.dealer_fen, row.supplier_fen),
                    back.get(row.redemption_id, [0, 0, 0, 0]),
                    strict=True,
                )
            ),
        )
        for row in rows
    ]
