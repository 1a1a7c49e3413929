"""Days, shares and masks: pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Day:
    """A brand's day and the one before, to compare with up to the same time of day. All moments in UTC-aware time.

    start..end is the day, yesterday..same the part of the day before that had passed at this time.
    """

    zone: str
    yesterday: datetime
    same: datetime
    start: datetime
    end: datetime


def day_of(moment: datetime, timezone: str) -> Day:
    """The day a moment lies in, as the brand counts days."""
    zone = ZoneInfo(timezone)
    local = moment.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    # Wall-clock arithmetic: a day of 23 or 25 hours is still one day.
    return Day(
        timezone, midnight - timedelta(days=1), local - timedelta(days=1), midnight, midnight + timedelta(days=1)
    )


def share_bp(part: int, whole: int) -> int:
    """`part` of `whole` in basis points; 0 when there is nothing."""
    return part * 10_000 // whole if whole else 0


def mask_name(name: str | None) -> str:
    """A name that colleagues recognise and strangers do not: 张三丰 -> 张**."""
    return name[0] + "*" * min(2, max(1, len(name) - 1)) if name else ""


def mask_phone(tail: str | None) -> str:
    return f"*******{tail}" if tail else ""
