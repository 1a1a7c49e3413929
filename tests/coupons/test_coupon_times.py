"""When a coupon can be used: a window, days after the claim, a wait, weekdays, hours and days, all of them at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.coupons import rules
from app.coupons.errors import CouponNotNow
from app.coupons.rules import Terms

FIRST = date(2027, 2, 1)  # a Monday
SHANGHAI = timedelta(hours=8)
MINUTES = 7 * 24 * 60


def moment(minute: int) -> datetime:
    """A minute of the week in Shanghai that begins with FIRST."""
    return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) - SHANGHAI + timedelta(minutes=minute)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def made(**more: Any) -> Terms:
    return Terms(kind="amount", amount_fen=500, **({"valid_days": 7} | more))


@pytest.mark.parametrize(
    ("terms", "good", "bad", "data"),
    [
        (made(only_days=frozenset({day(0), day(2)})), (0, 2), (1, 3), "only_days"),
        (made(except_days=frozenset({day(1)})), (0, 2), (1,), "except_day"),
        (made(weekdays=frozenset({1, 3})), (0, 2), (1, 6), "weekdays"),
    ],
)
def test_days_that_are_meant_and_days_that_are_not(
    terms: Terms, good: tuple[int, ...], bad: tuple[int, ...], data: str
) -> None:
    for number in good:
        for minute in (0, 24 * 60 - 1):  # the local day, which begins at 16:00 the day before in UTC
            rules.check_time(terms, moment(number * 24 * 60 + minute))
    for number in bad:
        for minute in (0, 24 * 60 - 1):
            with pytest.raises(CouponNotNow) as refused:
                rules.check_time(terms, moment(number * 24 * 60 + minute))
            assert data in refused.value.data


def test_hours_begin_with_their_first_minute_and_end_before_their_last() -> None:
    terms = made(hours=(("09:30", "11:00"), ("22:00", "24:00")))
    for minute in (9 * 60 + 30, 10 * 60 + 59, 22 * 60, 24 * 60 - 1):
        rules.check_time(terms, moment(minute))
    for minute in (9 * 60 + 29, 11 * 60, 21 * 60 + 59, 24 * 60):
        with pytest.raises(CouponNotNow):
            rules.check_time(terms, moment(minute))


HOURS = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda span: span[0] < span[1])
DAYS = st.frozensets(st.integers(0, 6), min_size=1)


@given(
    claimed=st.integers(0, MINUTES - 1),
    probe=st.integers(0, MINUTES - 1),
    wait=st.integers(0, 3),
    days=st.none() | st.integers(1, 4),
    starts=st.none() | st.integers(0, MINUTES),
    ends=st.none() | st.integers(1, MINUTES),
    weekdays=st.none() | DAYS,
    only=st.none() | DAYS,
    but=st.frozensets(st.integers(0, 6), max_size=2),
    hours=st.lists(HOURS, max_size=2),
)
def test_everything_at_once_is_the_intersection(
    claimed: int,
    probe: int,
    wait: int,
    days: int | None,
    starts: int | None,
    ends: int | None,
    weekdays: frozenset[int] | None,
    only: frozenset[int] | None,
    but: frozenset[int],
    hours: list[tuple[int, int]],
) -> None:
    """Against a plain count of minutes of one local week."""
    if days is None and ends is None or None not in (starts, ends) and starts >= ends:  # type: ignore[operator]
        return
    terms = made(
        valid_days=days,
        wait_days=wait,
        starts_at=None if starts is None else moment(starts),
        ends_at=None if ends is None else moment(ends),
        weekdays=None if weekdays is None else frozenset(number + 1 for number in weekdays),
        only_days=None if only is None else frozenset(map(day, only)),
        except_days=frozenset(map(day, but)),
        hours=tuple((f"{start:02}:00", f"{end:02}:00") for start, end in hours),
    )
    today, first = probe // (24 * 60), claimed // (24 * 60) + wait
    in_window = (
        (today >= first if wait else probe >= claimed)
        and (days is None or today < first + days)
        and (starts is None or probe >= starts)
        and (ends is None or probe < ends)
    )
    in_time = (
        (weekdays is None or today in weekdays)
        and (only is None or today in only)
        and today not in but
        and (not hours or any(start * 60 <= probe % (24 * 60) < end * 60 for start, end in hours))
    )
    window = rules.window(terms, moment(claimed))
    assert in_window == (window is not None and window[0] <= moment(probe) < window[1])
    assert in_time == _passes(terms, moment(probe))


def _passes(terms: Terms, at: datetime) -> bool:
    try:
        rules.check_time(terms, at)
    except CouponNotNow:
        return False
    return True
