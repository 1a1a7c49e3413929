from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.points.rules import earned, expires_at

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("paid_fen", "per_yuan", "rate_bp", "points"),
    [
        (0, 1, 10_000, 0),
        (99, 1, 10_000, 0),
        (100, 1, 10_000, 1),
        (19_999, 1, 12_000, 239),  # 199.99 yuan at 1.2: one rounding, at the end
        (10_000, 10, 15_000, 1_500),
        (12_345, 0, 10_000, 0),
    ],
)
def test_earned(paid_fen: int, per_yuan: int, rate_bp: int, points: int) -> None:
    assert earned(paid_fen, per_yuan=per_yuan, rate_bp=rate_bp) == points


def test_points_end_with_the_local_day() -> None:
    # 17:30 UTC is already the next day in Shanghai.
    at = datetime(2026, 1, 30, 17, 30, tzinfo=UTC)
    assert expires_at(at, months=1, zone=SHANGHAI) == datetime(2026, 3, 1, tzinfo=SHANGHAI)
    assert expires_at(at, months=12, zone=SHANGHAI) == datetime(2027, 2, 1, tzinfo=SHANGHAI)


def test_points_may_last_for_ever() -> None:
    assert expires_at(datetime(2026, 1, 1, tzinfo=UTC), months=0, zone=SHANGHAI) is None
