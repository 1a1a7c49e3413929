from __future__ import annotations

from dataclasses import replace

import pytest
from invariants import broken
from loyalty import an_order
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.sales import commands, queries
from app.sales.errors import OrderChanged
from app.sales.rules import OrderData

pytestmark = pytest.mark.usefixtures("app")

BRAND = 1


def record(order: OrderData, member_id: int | None = 7) -> commands.Recorded:
    with transaction():
        return commands.record_order(brand_id=BRAND, member_id=member_id, order=order)


def test_an_order_is_recorded_once_with_its_lines_and_event() -> None:
    order = an_order("A1", 12_300)
    first, again = record(order), record(order)
    assert first.new and not again.new
    assert again.order_id == first.order_id
    row = queries.order(BRAND, 7, first.order_id)
    assert row is not None and (row.total_fen, row.paid_fen, row.walk_in) == (12_300, 12_300, False)
    assert [line.sku for line in queries.lines(BRAND, 7, first.order_id)] == ["SKU1"]
    events = session.scalars(select(Outbox)).all()
    assert [(event.name, event.member_id, event.payload["paid_fen"]) for event in events] == [
        ("sales.order_paid", 7, 12_300)
    ]
    assert broken("sales.") == []


def test_another_content_under_the_same_number_is_refused() -> None:
    order = an_order("A1", 12_300)
    record(order)
    for changed, member_id in ((replace(order, store_id=2), 7), (order, 8), (order, None)):
        with pytest.raises(OrderChanged):
            record(changed, member_id)


def test_numbers_belong_to_their_source_and_brand() -> None:
    order = an_order("A1", 100)
    ids = {
        record(order).order_id,
        record(replace(order, source="mall")).order_id,
        record(replace(order, order_no="A2")).order_id,
    }
    assert len(ids) == 3


def test_a_walk_in_order_stands_alone() -> None:
    done = record(an_order("A1", 100), None)
    assert done.member_id == done.order_id
    row = queries.order(BRAND, done.order_id, done.order_id)
    assert row is not None and row.walk_in
    assert not record(an_order("A1", 100, paid_at=row.paid_at), None).new
    assert broken("sales.") == []


def test_orders_come_newest_first_in_pages() -> None:
    base = an_order("A0", 100)
    for number in range(5):
        record(replace(base, order_no=f"A{number}"))
    page = queries.orders_of(BRAND, 7, limit=3)
    rest = queries.orders_of(BRAND, 7, before=(page[-1].paid_at, page[-1].order_id), limit=3)
    assert [order.order_no for order in [*page, *rest]] == ["A4", "A3", "A2", "A1", "A0"]


def test_the_table_refuses_an_order_that_does_not_add_up() -> None:
    record(an_order("A1", 100))
    with pytest.raises(IntegrityError, match="ck_sales_order_adds_up"), transaction():
        session.execute(text("UPDATE sales_order SET paid_fen = paid_fen + 1"))


def test_the_invariants_see_damage() -> None:
    done = record(an_order("A1", 100))
    with transaction():
        session.execute(text("UPDATE order_line SET quantity = 3, amount_fen = 90, paid_fen = 90"))
        session.execute(text("UPDATE order_number SET order_id = order_id + 1"))
    assert {(one.name, one.count) for one in broken("sales.")} == {
        ("sales.order_lines_add_up", 1),
        ("sales.order_number_one_to_one", 2),
    }
    assert done.new
