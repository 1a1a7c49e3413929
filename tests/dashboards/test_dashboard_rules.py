"""Days of a brand, shares and masks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dashboards.reach import Reach
from app.dashboards.rules import day_of, mask_name, mask_phone, share_bp


def test_a_day_is_the_brands_own() -> None:
    day = day_of(datetime(2026, 3, 1, 17, 30, tzinfo=UTC), "Asia/Shanghai")  # 01:30 on the second
    assert day.start == datetime(2026, 3, 1, 16, tzinfo=UTC)
    assert day.end == datetime(2026, 3, 2, 16, tzinfo=UTC)
    assert day.yesterday == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert day.same == datetime(2026, 2, 28, 17, 30, tzinfo=UTC)


def test_a_day_may_have_23_or_25_hours() -> None:
    spring = day_of(datetime(2026, 3, 29, 12, tzinfo=UTC), "Europe/Berlin")
    autumn = day_of(datetime(2026, 10, 25, 12, tzinfo=UTC), "Europe/Berlin")
    assert spring.end.astimezone(UTC) - spring.start.astimezone(UTC) == timedelta(hours=23)
    assert autumn.end.astimezone(UTC) - autumn.start.astimezone(UTC) == timedelta(hours=25)


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)))  # noqa: DTZ001
def test_now_is_within_its_day_and_yesterday_touches_it(moment: datetime) -> None:
    day = day_of(moment, "Asia/Shanghai")
    assert day.yesterday <= day.same < day.start <= moment < day.end


@pytest.mark.parametrize("part,whole,expected", [(0, 0, 0), (1, 3, 3333), (3, 3, 10_000), (0, 5, 0)])
def test_shares_are_basis_points(part: int, whole: int, expected: int) -> None:
    assert share_bp(part, whole) == expected


@pytest.mark.parametrize(
    "name,masked", [("张", "张*"), ("张三", "张*"), ("张三丰", "张**"), ("欧阳娜娜", "欧**"), (None, ""), ("", "")]
)
def test_names_are_masked(name: str | None, masked: str) -> None:
    assert mask_name(name) == masked


def test_phones_are_masked() -> None:
    assert mask_phone("4321") == "*******4321" and mask_phone(None) == ""


def test_a_reach_covers_its_stores_only() -> None:
    assert Reach(1).covers(5) and Reach(1).covers(None)
    some = Reach(1, frozenset({5}))
    assert some.covers(5) and not some.covers(6) and not some.covers(None)
    assert not Reach(1, frozenset()).covers(5)
