"""How money becomes points and growth, and when points end."""

from __future__ import annotations

import calendar
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

FULL_RATE_BP = 10_000


def earned(paid_fen: int, *, per_yuan: int, rate_bp: int = FULL_RATE_BP) -> int:
    """Whole points for `paid_fen` fen at `per_yuan` a yuan times a rate in basis points, rounded down once."""
    return paid_fen * per_yuan * rate_bp // (100 * FULL_RATE_BP)


def expires_at(at: datetime, *, months: int, zone: ZoneInfo) -> datetime | None:
    """The end of the local day `months` months after `at`; None when points last for ever (0 months).

    The day is cut to the length of the month it falls in: 31 January and one month end with February.
    """
    if months == 0:
        return None
    local = at.astimezone(zone)
    year, month0 = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month0 + 1)[1])
    last_day = local.date().replace(year=year, month=month0 + 1, day=day)
    return datetime.combine(last_day + timedelta(days=1), time.min, zone)


def order_cause(order_id: int) -> str:
    """The cause under which an order earns."""
    return f"order:{order_id}"
