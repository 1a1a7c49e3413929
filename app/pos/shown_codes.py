"""What a till scanned may be a code that a channel made, such as one from the WeChat wallet: ours stands behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.core import clock
from app.coupons import codes
from app.coupons.errors import CouponUnknown
from app.coupons.twins import queries as twins

T = TypeVar("T")


def ours(brand_id: int, shown: str) -> str:
    """A code as it was shown, or, where it cannot be one of ours, ours behind it if there is any."""
    return shown if _readable(shown) else twins.own_code(brand_id, shown.strip()) or shown


def _readable(shown: str) -> bool:
    try:
        codes.recognized(shown, clock.now())
    except CouponUnknown:
        return False
    return True


def known(brand_id: int, shown: str, work: Callable[[str], T]) -> T:
    """Do the work with the code that was shown, or, where it is none of ours, with ours behind it.

    Codes of ours cost nothing more; CouponUnknown where there is none behind it either.
    """
    try:
        return work(shown)
    except CouponUnknown:
        code = twins.own_code(brand_id, shown.strip())
        if code is None:
            raise
    return work(code)
