from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from factories import World
from people import make_member
from sqlalchemy.orm.exc import NoResultFound
from tagging import tagged

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.members.models import Member
from app.sales.models import SalesOrder
from app.segments import commands, queries
from app.segments.compiler import audience
from app.segments.errors import SegmentInvalid
from app.tiers.models import MemberTier, Tier

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


@pytest.fixture
def asked(world: World) -> Callable[[dict[str, Any]], str]:
    """Members a, b, c; the function answers who a rule has, as letters."""
    with transaction():
        a = make_member(world, store=world.stores[0], birthday=date(1990, 11, 3), joined_at=NOW - timedelta(days=400))
        b = make_member(world, store=world.stores[1], birthday=date(1985, 5, 9), joined_at=NOW - timedelta(days=10))
        c = make_member(world, joined_at=NOW - timedelta(days=40))
        gone = make_member(world, store=world.stores[0], joined_at=NOW - timedelta(days=40))
        session.get_one(Member, (world.brand_id, gone)).status = "erased"
        session.add_all(
            Tier(brand_id=world.brand_id, tier_id=ids.new_id(), code=code, name=code, rank=rank, growth_from=rank * 100)
            for rank, code in enumerate(["silver", "gold"])
        )
        session.flush()
        tiers = {tier.code: tier.tier_id for tier in session.query(Tier).filter_by(brand_id=world.brand_id)}
        for member, code in ((a, "gold"), (b, "silver")):
            session.add(
                MemberTier(
                    brand_id=world.brand_id,
                    member_id=member,
                    valid_from=NOW - timedelta(days=5),
                    tier_id=tiers[code],
                    reason="reached",
                    correlation_id="cor_test",
                )
            )
        for member, days, fen, status in ((a, 3, 50_000, "paid"), (a, 200, 1_000, "paid"), (b, 3, 9_900, "refunded")):
            session.add(_order(world, member, NOW - timedelta(days=days), fen, status))
        tagged(world.brand_id, a, "vip", "敏感肌")
        tagged(world.brand_id, b, "vip")
    letters = {a: "a", b: "b", c: "c"}

    def ask(rule: dict[str, Any]) -> str:
        with transaction():
            found = session.scalars(audience(brand_id=world.brand_id, rule=rule, as_of=NOW)).all()
        return "".join(sorted(letters[member] for member in found))

    return ask


def _order(world: World, member_id: int, paid_at: datetime, fen: int, status: str) -> SalesOrder:
    order_id = ids.new_id()
    return SalesOrder(
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
        status=status,
        paid_at=paid_at,
        correlation_id="cor_test",
        created_at=paid_at,
    )


def _leaf(field: str, op: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({"value": value} if value is not None else {}), **more}


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        (_leaf("tag", "has_any", ["vip", "敏感肌"]), "ab"),
        (_leaf("tag", "has_all", ["vip", "敏感肌", "vip"]), "a"),
        (_leaf("tag", "has_none", ["敏感肌"]), "bc"),
        (_leaf("joined_at", "within_days", 30), "b"),
        (_leaf("joined_at", "older_than_days", 30), "ac"),
        (_leaf("joined_at", "after", "2026-10-01T00:00:00+08:00"), "bc"),
        (_leaf("home_store", "in", ["S001"]), "a"),
        (_leaf("home_store", "not_in", ["S001"]), "bc"),
        (_leaf("home_store", "not_set"), "c"),
        (_leaf("home_store", "set"), "ab"),
        (_leaf("tier", "in", ["gold"]), "a"),
        (_leaf("tier", "not_in", ["gold"]), "bc"),
        (_leaf("tier", "not_set"), "c"),
        (_leaf("birthday_month", "in", "this"), "a"),
        (_leaf("birthday_month", "in", [5, 11]), "ab"),
        (_leaf("birthday_month", "not_set"), "c"),
        (_leaf("orders.count", "gte", 2), "a"),
        (_leaf("orders.count", "gte", 2, days=90), ""),
        (_leaf("orders.count", "lt", 1, days=90), "bc"),
        (_leaf("orders.count", "eq", 0), "bc"),
        (_leaf("orders.count", "eq", 1, days=90), "a"),
        (_leaf("orders.count", "gte", 0), "abc"),
        (_leaf("orders.count", "lt", 0), ""),
        (_leaf("orders.paid_fen", "gte", 51_000), "a"),
        (_leaf("orders.paid_fen", "lt", 50_001, days=90), "abc"),
        ({"not": _leaf("tier", "in", ["gold"])}, "bc"),
        ({"not": _leaf("home_store", "not_in", ["S001"])}, "a"),
        ({"any": [_leaf("tier", "in", ["silver"]), _leaf("home_store", "not_set")]}, "bc"),
        ({"all": [_leaf("tag", "has_any", ["vip"]), {"not": _leaf("orders.count", "gte", 1)}]}, "b"),
    ],
    ids=str,
)
def test_who_is_meant(asked: Callable[[dict[str, Any]], str], rule: dict[str, Any], who: str) -> None:
    assert asked(rule) == who


@pytest.mark.parametrize(
    "rule",
    [
        _leaf("home_store", "in", ["S001", "S999"]),
        _leaf("tier", "not_in", ["diamond"]),
        _leaf("tag", "has_none", ["vip", "nobody"]),
    ],
)
def test_names_that_do_not_exist_are_errors(asked: Callable[[dict[str, Any]], str], rule: dict[str, Any]) -> None:
    with pytest.raises(SegmentInvalid):
        asked(rule)


def test_a_snapshot_is_taken_once(world: World, asked: Callable[[dict[str, Any]], str]) -> None:
    with transaction():
        one = commands.save_segment(brand_id=world.brand_id, name="贵宾", rule=_leaf("tag", "has_any", ["vip"]))
        assert commands.take_snapshot(brand_id=world.brand_id, segment_id=one, as_of=NOW) == 2
        assert commands.take_snapshot(brand_id=world.brand_id, segment_id=one, as_of=NOW) == 2
        again = commands.save_segment(brand_id=world.brand_id, name="贵宾", rule=_leaf("tag", "has_none", ["vip"]))
        assert again == one
        assert queries.count(brand_id=world.brand_id, rule=queries.segment(world.brand_id, one).rule, as_of=NOW) == 1


def test_values_are_bound_never_spelled_out(world: World) -> None:
    with transaction():
        hostile = "x') OR 1=1 --"
        commands.define_tag(brand_id=world.brand_id, name=hostile)
        rule = _leaf("tag", "has_any", [hostile])
        assert queries.count(brand_id=world.brand_id, rule=rule, as_of=clock.now()) == 0
        assert hostile not in str(audience(brand_id=world.brand_id, rule=rule, as_of=clock.now()))


def test_a_brand_that_is_not_there(world: World) -> None:
    with pytest.raises(NoResultFound), transaction():
        audience(brand_id=1, rule=_leaf("tag", "has_any", ["vip"]), as_of=NOW)
