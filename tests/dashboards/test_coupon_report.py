"""The coupon report counts each thing once, where it belongs, and its cost is the statements' to the fen."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon, key, till
from coupon_months import undo, use
from factories import World, make_world
from people import make_member
from sqlalchemy import update
from statements import session_statements

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import Coupon
from app.coupons.rules import Line
from app.coupons.statements import queries as books_of
from app.dashboards.queries import coupon_report
from app.dashboards.queries.coupon_report import BY, Asked, Baskets, Report
from app.dashboards.reach import Reach
from app.flows.order_paid import order_paid
from app.sales.models import SalesOrder
from app.sales.rules import LineData, OrderData

MARCH = datetime(2026, 2, 28, 16, tzinfo=UTC)
APRIL = datetime(2026, 3, 31, 16, tzinfo=UTC)
NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _report(world: World, by: str = "campaign", *, stores: frozenset[int] | None = None, **values: Any) -> Report:
    asked = Asked(**({"by": by, "since": MARCH, "until": APRIL, "zone": "Asia/Shanghai"} | values))
    with transaction():
        return coupon_report.report(Reach(world.brand_id, stores), asked)


def _order(world: World, order_no: str, fen: int, *, channel: str = "till", store: int = 0, at: datetime = NOON) -> int:
    line = LineData(line_no=1, sku="SKU-1", name="鞋", category="shoes", quantity=1, unit_fen=fen, amount_fen=fen)
    data = OrderData(
        source=f"{channel}:{world.stores[store].code}",
        order_no=order_no,
        store_id=world.stores[store].id,
        guide_id=None,
        channel=channel,
        paid_at=at,
        lines=(line,),
    )
    with time_machine.travel(at + timedelta(minutes=1), tick=False), transaction():
        return order_paid(brand_id=world.brand_id, member_id=None, order=data).order_id


def _redeem(world: World, mine: Coupon, order_no: str, *, source: str = "till", store: int = 0) -> int:
    with time_machine.travel(NOON, tick=False):
        return commands.redeem(
            till=till(world, store)._replace(source=source),
            key=key(),
            code=mine.code,
            order_no=order_no,
            lines=[Line(1, "SKU-1", "shoes", 1, 9000)],
        ).redemption_id


def _mine(world: World, campaign_id: int | None = None) -> Coupon:
    with time_machine.travel(NOON - timedelta(days=1), tick=False):
        return coupon(world, campaign_id, valid_days=400)


def test_cost_is_what_the_statements_say(world: World) -> None:
    first = use(world, NOON, fen=700)
    use(world, NOON, fen=1000, supplier="光明乳业", supplier_bp=2500)
    use(world, NOON, store=1, fen=500, hq_bp=4000)
    undo(world, first, NOON + timedelta(days=2))
    use(world, APRIL, fen=99)
    with time_machine.travel(APRIL + timedelta(days=1), tick=False), transaction():
        books = books_of.total(books_of.sums(world.brand_id, date(2026, 3, 1)))
    for by in BY:
        total = _report(world, by).total
        for name in ("discount_fen", "hq_fen", "dealer_fen", "supplier_fen", "used"):
            assert getattr(total, name) == getattr(books, name), (by, name)
        assert total.returned == books.back == 1
    days = _report(world, "day").rows
    assert (days[NOON.date()].used, days[(NOON + timedelta(days=2)).date()].returned) == (3, 1)


def test_an_order_with_two_coupons_is_one_order(world: World) -> None:
    one, other = (campaign(world, valid_days=400, stack_group=group) for group in ("first", "second"))
    for campaign_id in (one, other):
        _redeem(world, _mine(world, campaign_id), "O1")
    _order(world, "O1", 8000)
    _order(world, "O2", 3000)
    found = _report(world)
    assert {key: (row.orders, row.sales_fen, row.used) for key, row in found.rows.items()} == {
        one: (1, 8000, 1),
        other: (1, 8000, 1),
    }
    assert (found.total.orders, found.total.sales_fen) == (1, 8000)
    assert (found.baskets.orders, found.baskets.with_fen, found.baskets.without_fen) == (2, 8000, 3000)


def test_a_number_of_another_channel_or_store_is_another_order(world: World) -> None:
    _redeem(world, _mine(world), "O1")
    _order(world, "O1", 1000, channel="mall")
    _order(world, "O1", 2000, store=1)
    assert _report(world).baskets.coupon_orders == 0
    _order(world, "O1", 4000)
    assert (_report(world).baskets.coupon_orders, _report(world).baskets.coupon_sales_fen) == (1, 4000)
    _redeem(world, _mine(world), "O5", source="desk")
    _order(world, "O5", 500)
    rows = _report(world, "channel").rows
    assert {key: (row.used, row.orders) for key, row in rows.items() if key} == {"till": (1, 1), "desk": (1, 1)}


def test_what_was_given_back_sells_nothing_and_refunds_are_taken_off(world: World) -> None:
    _redeem(world, _mine(world), "O2")
    order_id = _order(world, "O2", 3000)
    with transaction():
        session.execute(update(SalesOrder).where(SalesOrder.order_id == order_id).values(refunded_fen=1000))
    assert _report(world).total.sales_fen == 2000
    with transaction():
        session.execute(
            update(SalesOrder).where(SalesOrder.order_id == order_id).values(refunded_fen=3000, status="refunded")
        )
    assert _report(world).baskets == Baskets(0, 0, 0, 0)
    redemption_id = _redeem(world, _mine(world), "O1")
    _order(world, "O1", 4000)
    with time_machine.travel(NOON + timedelta(hours=1), tick=False), transaction():
        commands.give_back(brand_id=world.brand_id, redemption_id=redemption_id)
    found = _report(world)
    assert (found.baskets.coupon_orders, found.total.used, found.total.returned) == (0, 2, 1)


def test_what_ends_unused_is_counted_when_it_ends(world: World) -> None:
    campaign_id = campaign(world, valid_days=2)
    with time_machine.travel(NOON, tick=False):
        coupon(world, campaign_id)
        gone = coupon(world, campaign_id)
        with transaction():
            commands.void_all(brand_id=world.brand_id, member_ids=[gone.member_id], cause="erased")
    with time_machine.travel(NOON + timedelta(days=3), tick=False), transaction():
        commands.expire()
    row = _report(world).rows[campaign_id]
    assert (row.issued, row.expired, row.voided, row.used_bp) == (2, 1, 1, 0)
    assert _report(world, since=NOON + timedelta(days=1)).rows[campaign_id].voided == 0


def test_a_coupon_is_given_where_its_guide_or_else_its_member_is_at_home(world: World) -> None:
    campaign_id = campaign(world, valid_days=400, per_member=3)
    with time_machine.travel(NOON, tick=False):
        with transaction():
            member_id = make_member(world, store=world.stores[1])
        coupon(world, campaign_id, member_id=member_id)
        with transaction():
            commands.issue(
                brand_id=world.brand_id,
                member_id=member_id,
                campaign_id=campaign_id,
                source="push",
                source_ref="give:1",
                guide_id=world.guide.id,
            )
    own, dealers = (store.id for store in world.stores)
    assert {key: row.issued for key, row in _report(world, "store").rows.items()} == {own: 1, dealers: 1}
    assert {key: row.issued for key, row in _report(world, "guide").rows.items()} == {world.guide.id: 1, None: 1}
    assert _report(world, "source").total.issued_by == {"self": 1, "push": 1}
    assert _report(world, stores=frozenset({dealers})).total.issued_by == {"self": 1}
    assert _report(world, store_id=own).total.issued_by == {"push": 1}
    assert _report(world, guide_id=world.guide.id).total.issued == 1
    assert _report(world, source="self", stores=frozenset({own})).total.issued == 0
    assert _report(world, store_id=own, stores=frozenset({dealers})).total.issued == 0  # not theirs to see
    assert _report(world, campaign_id=ids.new_id()).total.issued == 0


def test_a_report_takes_six_statements_whatever_is_in_it(world: World) -> None:
    for minute in range(3):
        use(world, NOON + timedelta(minutes=minute), store=minute % 2)
    for by in BY:
        with session_statements() as seen:
            _report(world, by)
        assert len([one for one in seen if one.startswith("SELECT")]) == 6, by
