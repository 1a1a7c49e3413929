"""What the request that met a limit tells the worker who flags it."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class LimitHit(Event):
    """Somebody tried too often: told once a window. `rule` is one of rules.LIMITS, `subject` as in a flag.

    Codes are not told; `tries` says how many there were until then.
    """

    name = "coupons.limit_hit"

    rule: str
    subject: str
    tries: int
    window_from: str
    window_seconds: int
    store_id: int | None = None
