"""Traits: what follows from orders and refunds; made for one who bought, they are what a rebuild of all would make."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from threading import Event
from typing import Any

import pytest
import time_machine
from at_once import until_waiting
from factories import World
from flask import Flask
from people import make_member
from sqlalchemy import delete, select, text

from app.core import clock, ids
from app.core.db import session
from app.core.outbox import emit
from app.core.transaction import transaction
from app.flows import traits as flow
from app.flows.order_paid import order_paid
from app.imports.events import Finished
from app.members.models import Member
from app.privacy import commands as privacy
from app.sales.events import OrderRefunded
from app.sales.models import OrderLine, Refund, SalesOrder
from app.sales.rules import LineData, OrderData
from app.segments import commands, fold, lifecycle, queries
from app.segments.commands import traits as made
from app.segments.models import MemberTrait, TraitCut

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def _order(world: World, member: int, days: int, fen: int, *, status: str = "paid", category: str = "knit") -> int:
    order_id, at = ids.new_id(), NOW - timedelta(days=days)
    key = {"brand_id": world.brand_id, "member_id": member, "order_id": order_id}
    session.add(
        SalesOrder(
            **key, source="till", order_no=str(order_id), store_id=world.stores[days % 2].id, channel="till",
            walk_in=False, total_fen=fen, discount_fen=0, paid_fen=fen, status=status, paid_at=at,
            correlation_id="cor_test", created_at=at,
        )
    )  # fmt: skip
    session.flush()
    session.add(
        OrderLine(
            **key, line_no=1, sku="A", name="衣", category=category, quantity=1, unit_fen=fen, amount_fen=fen,
            discount_fen=0, paid_fen=fen,
        )
    )  # fmt: skip
    session.flush()
    return order_id


def _refund(world: World, member: int, order_id: int, fen: int) -> None:
    number = ids.new_id()
    session.add(
        Refund(
            brand_id=world.brand_id, member_id=member, refund_id=number, order_id=order_id, source="till",
            refund_no=str(number), refunded_fen=fen, reason="", refunded_at=NOW, correlation_id="cor_test",
            created_at=NOW,
        )
    )  # fmt: skip
    session.flush()


def _rows(world: World) -> dict[int, dict[str, Any]]:
    columns = [one for one in MemberTrait.__table__.columns if one.name not in ("brand_id", "refreshed_at")]
    with transaction():
        rows = session.execute(select(*columns).where(MemberTrait.brand_id == world.brand_id)).mappings()
        return {row["member_id"]: dict(row) for row in rows}


def _rebuild(world: World, limit: int = 3) -> None:
    after: int | None = 0
    while after is not None:
        with transaction():
            after = commands.rebuild_traits(brand_id=world.brand_id, after=after, limit=limit, as_of=NOW)


def test_what_follows_from_orders(world: World) -> None:
    with transaction():
        buyer, other = make_member(world), make_member(world)
        _order(world, buyer, 100, 30_000, category="coat")
        big = _order(world, buyer, 10, 20_000)
        _order(world, buyer, 3, 12_000)
        back = _order(world, buyer, 1, 99_000, status="refunded")
        _refund(world, buyer, big, 5_000)
        _refund(world, buyer, back, 99_000)
        commands.refresh_traits(brand_id=world.brand_id, member_ids=[buyer, other], as_of=NOW)
    rows = _rows(world)
    # The order that was given back whole counts nowhere; the other refund is taken off.
    assert rows[buyer] == {
        "member_id": buyer, "orders_count": 3, "net_paid_fen": 57_000, "avg_fen": 19_000, "refunds": 2,
        "first_paid_at": NOW - timedelta(days=100), "last_paid_at": NOW - timedelta(days=3),
        "last_store_id": world.stores[1].id, "favourite_category": "knit",
        "recency": None, "frequency": None, "monetary": None, "lifecycle": "active",
    }  # fmt: skip
    assert (rows[other]["orders_count"], rows[other]["lifecycle"]) == (0, "newcomer")


def test_stages_in_sql_are_the_rule(world: World) -> None:
    edges = (0, 29, 30, 31, 89, 90, 179, 180, 400)
    wanted: dict[int, str] = {}
    with transaction():
        for orders, joined, last in product((0, 1, 2), (5, 30, 500), edges):
            member = make_member(world, joined_at=NOW - timedelta(days=joined))
            for _ in range(orders):
                _order(world, member, last, 1_000)
            wanted[member] = lifecycle.stage(
                orders=orders,
                joined_at=NOW - timedelta(days=joined),
                last_paid_at=NOW - timedelta(days=last) if orders else None,
                as_of=NOW,
            )
    _rebuild(world, limit=40)
    assert {member: row["lifecycle"] for member, row in _rows(world).items()} == wanted
    assert set(wanted.values()) == set(lifecycle.STAGES)


def test_scores_by_cut_points_and_ties(world: World) -> None:
    with transaction():
        members = [make_member(world) for _ in range(10)]
        for n, member in enumerate(members):
            for _ in range(1 if n < 7 else n - 5):  # seven bought once, the others 2, 3 and 4 times
                _order(world, member, 100 - n * 10, 1_000 * (n + 1))
    _rebuild(world)
    with transaction():
        commands.renew_cuts(brand_id=world.brand_id, as_of=NOW)
        cuts = dict(session.execute(select(TraitCut.measure, TraitCut.cuts)).all())
    _rebuild(world)
    rows = _rows(world)
    for member in members:
        row = rows[member]
        assert row["recency"] == lifecycle.score(int(row["last_paid_at"].timestamp()), cuts["recency"])
        assert row["frequency"] == lifecycle.score(row["orders_count"], cuts["frequency"])
        assert row["monetary"] == lifecycle.score(row["net_paid_fen"], cuts["monetary"])
    assert [rows[member]["frequency"] for member in members] == [1] * 7 + [4, 5, 5]  # equal values score alike
    assert [rows[member]["recency"] for member in members] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def _paid(world: World, member: int | None, number: int, fen: int, category: str) -> None:
    line = LineData(
        line_no=1, sku="A", name="衣", category=category, quantity=1, unit_fen=fen, amount_fen=fen, discount_fen=0
    )
    order = OrderData(
        source="till", order_no=f"T{number}", store_id=world.stores[number % 2].id, paid_at=clock.now(), lines=(line,)
    )
    with transaction():
        order_paid(brand_id=world.brand_id, member_id=member, order=order)


def test_increments_are_what_a_rebuild_makes(world: World, run_work: Callable[[], int]) -> None:
    with time_machine.travel(NOW, tick=False):
        with transaction():
            members = [make_member(world, joined_at=NOW - timedelta(days=9 * n)) for n in range(8)]
        _rebuild(world)
        for number in range(30):
            _paid(world, members[number * number % 7], number, 1_000 + number * 100, "knit" if number % 3 else "coat")
            if number == 15:
                with transaction():
                    commands.renew_cuts(brand_id=world.brand_id, as_of=NOW)
                _rebuild(world)
            run_work()
        _paid(world, None, 99, 1_000, "knit")
        run_work()
        grown = _rows(world)
        with transaction():
            session.execute(delete(MemberTrait))
        _rebuild(world)
        assert grown == _rows(world)
    assert len(grown) == 8 and sum(row["orders_count"] for row in grown.values()) == 30
    assert any(row["monetary"] for row in grown.values())


def test_an_unchanged_row_is_not_written(world: World) -> None:
    with transaction():
        member = make_member(world)
        _order(world, member, 3, 1_000)
    _rebuild(world)
    before = session.execute(select(MemberTrait.refreshed_at)).scalar_one()
    with transaction():
        commands.refresh_traits(brand_id=world.brand_id, member_ids=[member], as_of=NOW + timedelta(hours=1))
    assert session.execute(select(MemberTrait.refreshed_at)).scalar_one() == before
    with transaction():
        commands.refresh_traits(brand_id=world.brand_id, member_ids=[member], as_of=NOW + timedelta(days=100))
        assert session.scalars(select(MemberTrait.lifecycle)).one() == "dormant"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_a_rebuild_at_the_time_of_an_order_does_not_write_what_it_saw_before(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch, known: bool, held: bool
) -> None:
    """The rebuild begins while the order and its traits are on their way to be committed. Twin: rows are not held."""
    with transaction():
        member = make_member(world)
    if known:
        _rebuild(world)
    if not held:
        monkeypatch.setattr(made, "_HOLD", text("SELECT 1"))
    written = Event()

    def buy() -> None:
        with app.app_context(), transaction():
            _order(world, member, 3, 1_000)
            commands.refresh_traits(brand_id=world.brand_id, member_ids=[member], as_of=NOW)
            written.set()
            until_waiting()

    with ThreadPoolExecutor(1) as shop:
        bought = shop.submit(buy)
        assert written.wait(20)
        _rebuild(world)
        bought.result()
    assert _rows(world)[member]["orders_count"] == (1 if held else 0)


def test_traits_follow_a_merge(world: World) -> None:
    with transaction():
        winner, loser = make_member(world), make_member(world)
        _order(world, loser, 3, 1_000)
    _rebuild(world)
    with transaction():
        found = session.get_one(Member, (world.brand_id, loser))
        found.status, found.merged_into = "merged", winner
        session.flush()
        fold.fold(brand_id=world.brand_id, winner_id=winner, loser_id=loser, merge_id=1)
    assert list(_rows(world)) == [winner]


def test_the_night_goes_over_every_member(world: World, run_work: Callable[[], int], monkeypatch) -> None:
    monkeypatch.setattr(flow, "CHUNK", 2)
    with transaction():
        members = [make_member(world) for _ in range(5)]
        _order(world, members[0], 3, 1_000)
    for _ in range(2):  # the first night has no cut points yet
        with transaction():
            flow.begin(type("Slot", (), {"at": NOW})())
        run_work()
    rows = _rows(world)
    assert sorted(rows) == members and rows[members[0]]["frequency"] == 1


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ({"field": "lifecycle", "op": "in", "value": ["active", "first"]}, "ab"),
        ({"field": "lifecycle", "op": "not_in", "value": ["active"]}, "bc"),
        ({"field": "favourite_category", "op": "in", "value": ["coat"]}, "b"),
        ({"field": "favourite_category", "op": "not_in", "value": ["coat"]}, "ac"),
        ({"field": "last_order_days", "op": "gte", "value": 10}, "b"),
        ({"field": "last_order_days", "op": "lt", "value": 10}, "a"),
        ({"field": "rfm.monetary", "op": "gte", "value": 3}, "a"),
        ({"field": "traits.net_paid_fen", "op": "lt", "value": 5_000}, "bc"),
        ({"field": "traits.refunds", "op": "eq", "value": 1}, "a"),
        ({"not": {"field": "rfm.monetary", "op": "lt", "value": 3}}, "ac"),
    ],
    ids=str,
)
def test_segments_may_ask_for_traits(world: World, rule: dict[str, Any], who: str) -> None:
    with transaction():
        a, b, c = (make_member(world) for _ in range(3))
        _refund(world, a, _order(world, a, 3, 9_000), 100)
        _order(world, a, 5, 9_000)
        _order(world, b, 20, 1_000, category="coat")
    _rebuild(world)
    with transaction():
        commands.renew_cuts(brand_id=world.brand_id, as_of=NOW)
    _rebuild(world)
    with transaction():
        segment = commands.save_segment(brand_id=world.brand_id, name="测试", rule=rule)
        commands.take_snapshot(brand_id=world.brand_id, segment_id=segment, as_of=NOW)
        expected = sum(letter in who for letter in "abc")
        assert queries.count(brand_id=world.brand_id, rule=rule, as_of=NOW) == expected
        tag = commands.define_tag(brand_id=world.brand_id, name="命中", kind="rule", segment_id=segment)
        commands.apply_rule(brand_id=world.brand_id, tag_id=tag, as_of=NOW, after=0, limit=10)
        held = "".join(x for x, m in zip("abc", (a, b, c), strict=True) if queries.tags_of(world.brand_id, m))
    assert held == who


def test_a_refund_and_an_import_bring_traits_up_to_date(world: World, run_work: Callable[[], int]) -> None:
    with transaction():
        member, imported = make_member(world), make_member(world)
        _order(world, imported, 3, 2_000)
    _paid(world, member, 1, 5_000, "knit")
    run_work()
    order = session.scalars(select(SalesOrder).where(SalesOrder.order_no == "T1")).one()
    with transaction():
        _refund(world, member, order.order_id, 1_000)
        emit(
            OrderRefunded(
                brand_id=world.brand_id, member_id=member, order_id=order.order_id, refund_id=1, refunded_fen=1_000,
                left_fen=4_000,
            )
        )  # fmt: skip
        emit(Finished(brand_id=world.brand_id, job_id=1, kind="orders", created=1, updated=0))
    run_work()
    rows = _rows(world)
    assert (rows[member]["net_paid_fen"], rows[member]["refunds"]) == (4_000, 1)
    assert rows[imported]["orders_count"] == 1


def test_the_command_makes_traits_of_every_brand(app: Flask, world: World) -> None:
    with transaction():
        member = make_member(world)
        _order(world, member, 3, 2_000)
    done = app.test_cli_runner().invoke(args=["traits", "rebuild", "--brand", world.brand.code])
    assert done.exit_code == 0, done.output
    assert _rows(world)[member]["frequency"] == 1
    assert app.test_cli_runner().invoke(args=["traits", "rebuild", "--brand", "nobody"]).exit_code == 1


def test_who_refuses_to_be_profiled_has_no_traits_and_no_tags_of_rules(
    world: World, run_work: Callable[[], int]
) -> None:
    brand = world.brand_id
    with transaction():
        willing, unwilling = make_member(world), make_member(world)
        for member in (willing, unwilling):
            _order(world, member, 3, 1_000)
        rule = {"field": "orders.count", "op": "gte", "value": 1}
        segment = commands.save_segment(brand_id=brand, name="买过", rule=rule)
        tag = commands.define_tag(brand_id=brand, name="买过", kind="rule", segment_id=segment)
        commands.apply_rule(brand_id=brand, tag_id=tag, as_of=NOW, after=0, limit=10)
    _rebuild(world)
    assert sorted(_rows(world)) == [willing, unwilling]
    with transaction():
        person = session.get_one(Member, (brand, unwilling)).person_id
        privacy.record(brand_id=brand, person_id=person, purpose="profiling", granted=False, source="miniapp")
    run_work()
    assert sorted(_rows(world)) == [willing]
    with transaction():
        commands.apply_rule(brand_id=brand, tag_id=tag, as_of=NOW + timedelta(hours=1), after=0, limit=10)
        assert [one.name for one in queries.tags_of(brand, willing)] == ["买过"]
        assert queries.tags_of(brand, unwilling) == []
