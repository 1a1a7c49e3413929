"""How money becomes points and growth, and when points end."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a brand's members earn for a yuan, and for how many months of the brand's calendar points last."""

    points_per_yuan: int
    growth_per_yuan: int
    points_months: int
    zone: ZoneInfo

    def points(self, paid_fen: int, rate_bp: int) -> int:
        return earned(paid_fen, per_yuan=self.points_per_yuan, rate_bp=rate_bp)

    def growth(self, paid_fen: int) -> int:
        return earned(paid_fen, per_yuan=self.growth_per_yuan)

    def end(self, at: datetime) -> datetime | None:
        """When points earned at a moment expire."""
        return expires_at(at, months=self.points_months, zone=self.zone)


def order_cause(order_id: int) -> str:
    """The cause under which an order earns."""
    return f"order:{order_id}"
