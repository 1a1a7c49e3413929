from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.sales.errors import OrderMismatch
from app.sales.rules import LineData, OrderData, check, check_discounts, content_hash

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


def line(line_no: int = 1, **changes: int) -> LineData:
    base = LineData(
        line_no=line_no,
        sku="A",
        name="衬衫",
        category="shirt",
        quantity=2,
        unit_fen=500,
        amount_fen=1000,
        discount_fen=100,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def order(*lines: LineData, paid_at: datetime = NOW) -> OrderData:
    return OrderData(source="till", order_no="A1", store_id=1, paid_at=paid_at, lines=lines)


def test_sums() -> None:
    whole = order(line(1), line(2, discount_fen=0))
    check(whole, now=NOW, totals={"total_fen": 2000, "discount_fen": 100, "paid_fen": 1900})


@pytest.mark.parametrize(
    ("bad", "totals", "field"),
    [
        (order(), {}, "lines"),
        (order(line(1), line(1)), {}, "lines[1].line_no"),
        (order(line(1), line(2, amount_fen=999)), {}, "lines[1].amount_fen"),
        (order(line(1, discount_fen=1001)), {}, "lines[0].discount_fen"),
        (order(line(1, discount_fen=-1)), {}, "lines[0].discount_fen"),
        (order(line(1), paid_at=NOW + timedelta(minutes=11)), {}, "paid_at"),
        (order(line(1)), {"total_fen": 1001}, "total_fen"),
        (order(line(1)), {"paid_fen": 1000}, "paid_fen"),
    ],
)
def test_what_does_not_add_up_is_named(bad: OrderData, totals: dict[str, int], field: str) -> None:
    with pytest.raises(OrderMismatch) as raised:
        check(bad, now=NOW, totals=totals)
    assert raised.value.data == {"field": field}


def test_discounts_hold_what_coupons_gave() -> None:
    whole = order(line(1), line(2, discount_fen=0))
    check_discounts(whole, {1: 100})
    with pytest.raises(OrderMismatch) as raised:
        check_discounts(whole, {1: 100, 2: 1})
    assert raised.value.data == {"field": "lines[1].discount_fen"}
    with pytest.raises(OrderMismatch):
        check_discounts(whole, {3: 1})


def test_content_hash_sees_content_only() -> None:
    one = order(line(1), line(2))
    shanghai = replace(one, lines=one.lines[::-1], paid_at=datetime.fromisoformat("2026-03-01T12:00:00+08:00"))
    assert content_hash(one, 5) == content_hash(shanghai, 5)
    assert content_hash(one, 5) != content_hash(one, None)
    assert content_hash(one, 5) != content_hash(replace(one, store_id=2), 5)
    assert content_hash(one, 5) != content_hash(order(line(1), line(2, discount_fen=99)), 5)
