"""Moments, days and hours in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

TIMEZONE = "Asia/Shanghai"
SOON_DAYS = 7  # from so many days on a coupon's end is counted down
_WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


def moment(at: datetime, timezone: str = TIMEZONE) -> str:
    """A moment as a date, with the time unless it is midnight: 2027年1月1日, 2027年1月1日 09:30."""
    local = at.astimezone(ZoneInfo(timezone))
    return on(local.date()) + ("" if local.time() == time() else f" {local:%H:%M}")


def end(at: datetime, timezone: str = TIMEZONE) -> str:
    """The end of a validity as its last day, or as a time where it ends within a day."""
    local = at.astimezone(ZoneInfo(timezone))
    return on(local.date() - timedelta(days=1)) if local.time() == time() else moment(at, timezone)


def on(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def days_left(valid_to: datetime, at: datetime, timezone: str = TIMEZONE) -> int:
    """Local days from today to a coupon's last day: 0 ends today, below 0 is over."""
    zone = ZoneInfo(timezone)
    if at >= valid_to:
        return -1
    last = (valid_to - timedelta(microseconds=1)).astimezone(zone).date()
    return (last - at.astimezone(zone).date()).days


def expiry(valid_from: datetime, valid_to: datetime, at: datetime, timezone: str = TIMEZONE) -> str:
    """A coupon's validity at a moment: 2026年3月5日起可用, 今天到期, 还剩3天, 有效期至2026年3月5日, 已过期."""
    if at >= valid_to:
        return "已过期"
    if at < valid_from:
        return f"{moment(valid_from, timezone)}起可用"
    left = days_left(valid_to, at, timezone)
    if left < 2:
        local = valid_to.astimezone(ZoneInfo(timezone))
        return f"{('今天', '明天')[left]}{'' if local.time() == time() else f' {local:%H:%M} '}到期"
    return f"还剩{left}天" if left <= SOON_DAYS else f"有效期至{end(valid_to, timezone)}"


def weekdays(numbers: Iterable[int]) -> str:
    """ISO weekdays: 周一至周五, 周六、周日."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    names = [[_WEEKDAYS[number - 1] for number in run] for run in runs]
    return "、".join(f"{run[0]}至{run[-1]}" if len(run) > 2 else "、".join(run) for run in names)


def hours(spans: Iterable[Sequence[str]]) -> str:
    """10:00—14:00、17:00—21:00."""
    return "、".join(f"{start}—{stop}" for start, stop in spans)


def days(given: Iterable[date], most: int) -> str:
    """A few days by date, many by their number and the first and last: 2026年5月1日、2026年5月2日."""
    ordered = sorted(given)
    if len(ordered) <= most:
        return "、".join(on(day) for day in ordered)
    if all(later - earlier == timedelta(days=1) for earlier, later in pairwise(ordered)):
        return f"{on(ordered[0])}至{on(ordered[-1])}"
    return f"{on(ordered[0])}至{on(ordered[-1])}间的 {len(ordered)} 天"
