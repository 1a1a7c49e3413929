"""Lifecycle stages and scores of a member, from what they bought and when. Pure: no database, no clock.

prospect    joined, has never paid an order, and joined 30 days ago or longer
newcomer    joined less than 30 days ago, has never paid an order
first       one order, in the last 90 days
active      two orders or more, the last one in the last 90 days
dormant     the last order 90 to 179 days ago
lost        the last order 180 days ago or longer
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

NEWCOMER_DAYS, ACTIVE_DAYS, LOST_DAYS = 30, 90, 180
STAGES = ("newcomer", "prospect", "first", "active", "dormant", "lost")
MEASURES = ("recency", "frequency", "monetary")
# The shares of buyers below each cut: five groups. Percentiles, not ntile: equal values always score alike.
SHARES = (0.2, 0.4, 0.6, 0.8)


def stage(*, orders: int, joined_at: datetime, last_paid_at: datetime | None, as_of: datetime) -> str:
    """The stage at `as_of` of a member with so many paid orders."""
    if orders == 0 or last_paid_at is None:
        return "newcomer" if joined_at > as_of - timedelta(days=NEWCOMER_DAYS) else "prospect"
    if last_paid_at <= as_of - timedelta(days=LOST_DAYS):
        return "lost"
    if last_paid_at <= as_of - timedelta(days=ACTIVE_DAYS):
        return "dormant"
    return "active" if orders > 1 else "first"


def score(value: int, cuts: Sequence[int]) -> int:
    """1 to 5: one more than the number of cuts that `value` is above."""
    return 1 + sum(value > cut for cut in cuts)
