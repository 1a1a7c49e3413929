"""How orders are numbered: a store's tills and its desk count together, its mall for itself. Two stores may both have
an order 0001.
"""

from __future__ import annotations

from typing import Protocol

# Where the coupons of an order may have been redeemed, by its channel.
SOURCES_BY_CHANNEL = {"till": ("till", "desk", "channel"), "mall": ("mall", "channel")}


class Counter(Protocol):
    """Where orders are numbered: a store of a brand, and the source of what is used there."""

    @property
    def brand_id(self) -> int: ...

    @property
    def source(self) -> str: ...

    @property
    def store_id(self) -> int: ...


def channel_of(source: str) -> str:
    """The channel of the orders that a redemption's source numbers: till or mall."""
    return "mall" if source == "mall" else "till"


def counter_of(source: str) -> str:
    """The source whose numbers a redemption's source uses: at the desk the till's receipt is typed."""
    return "till" if source == "desk" else source


def holder(source: str, store_id: int, order_no: str) -> str:
    """By what a coupon is held for an order."""
    return f"{counter_of(source)}:{store_id}:{order_no}"


def is_held_in(held_by: str | None, source: str, order_no: str) -> bool:
    """Whether what holds a coupon is an order of this number in any store."""
    counter, _, number = (held_by or "").partition(":")
    return bool(order_no) and counter == counter_of(source) and number.partition(":")[2] == order_no
