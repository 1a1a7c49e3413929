from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.core.errors import ProgrammingError
from app.tiers.rules import Standing, Step, lowered, period_name, raised, step_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LADDER = tuple(
    Step(tier_id=rank, code=code, name=code, rank=rank, growth_from=growth, points_rate_bp=10_000)
    for rank, (code, growth) in enumerate([("bronze", 0), ("silver", 500), ("gold", 2000)], 1)
)


def standing(rank: int | None, days: int = 0) -> Standing:
    current = None if rank is None else LADDER[rank - 1]
    since = None if rank is None else NOW - timedelta(days=days)
    return Standing(ladder=LADDER, window_days=365, protection_days=30, current=current, since=since)


@pytest.mark.parametrize(
    ("growth", "code"), [(0, "bronze"), (499, "bronze"), (500, "silver"), (1999, "silver"), (9999, "gold")]
)
def test_the_tier_is_a_function_of_growth(growth: int, code: str) -> None:
    step = step_for(LADDER, growth)
    assert step is not None and step.code == code


def test_below_the_first_step_there_is_no_tier() -> None:
    assert step_for(LADDER[1:], 10) is None
    assert step_for((), 10) is None


@pytest.mark.parametrize(
    ("rank", "growth", "to"), [(None, 0, 1), (None, 2000, 3), (1, 499, None), (1, 500, 2), (3, 0, None), (2, 2500, 3)]
)
def test_moving_up(rank: int | None, growth: int, to: int | None) -> None:
    step = raised(standing(rank), growth)
    assert (step and step.rank) == to


@pytest.mark.parametrize(
    ("rank", "days", "growth", "to"),
    [(3, 29, 0, None), (3, 30, 0, 1), (3, 30, 600, 2), (3, 30, 2000, None), (1, 400, 0, None), (None, 0, 0, None)],
)
def test_moving_down_waits_for_protection(rank: int | None, days: int, growth: int, to: int | None) -> None:
    step = lowered(standing(rank, days), growth, NOW)
    assert (step and step.rank) == to


def test_periods_follow_the_brands_calendar() -> None:
    at, zone = datetime(2025, 12, 31, 16, 30, tzinfo=UTC), ZoneInfo("Asia/Shanghai")
    assert [period_name(period, at, zone) for period in ("once", "monthly", "yearly")] == ["once", "2026-01", "2026"]
    with pytest.raises(ProgrammingError):
        period_name("weekly", at, zone)
