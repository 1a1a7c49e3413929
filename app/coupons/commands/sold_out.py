"""Campaigns that this process saw sold out a moment ago: of a crowd that comes too late not everybody asks again.

What is remembered may be wrong for a second, when a campaign is given more stock. It never hides a coupon that its
member has: who was served took the coupon before it was seen that none is left, so a key that was looked up after that
would have been found.
"""

from __future__ import annotations

import time

SECONDS = 1.0
_KEPT = 10_000

_seen: dict[int, float] = {}


def saw(campaign_id: int) -> None:
    """Nothing was left of the campaign just now."""
    if len(_seen) >= _KEPT:
        _seen.clear()
    _seen[campaign_id] = time.monotonic()


def seen(campaign_id: int, *, before: float) -> bool:
    """Whether nothing was left a moment before the caller's look at `before` (of the monotonic clock)."""
    at = _seen.get(campaign_id)
    return at is not None and at < before < at + SECONDS
