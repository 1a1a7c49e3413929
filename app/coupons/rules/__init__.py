"""The rules of coupons: what is promised, when and where it holds, what it takes off, who pays."""

from .basket import ORDER, Line, Quote, after, check_stack, quote
from .shares import Cost, cost_share, part, split
from .terms import (
    CHANNELS,
    FULL_BP,
    KINDS,
    OPEN_STATUSES,
    PERIODS,
    RETURNS,
    SHIPPING,
    SOURCES,
    STATUSES,
    Terms,
)
from .times import OFFER, Place, check_place, check_time, check_usable, local_day, periods, returned_until, window

__all__ = [
    "CHANNELS",
    "FULL_BP",
    "KINDS",
    "OFFER",
    "OPEN_STATUSES",
    "ORDER",
    "PERIODS",
    "RETURNS",
    "SHIPPING",
    "SOURCES",
    "STATUSES",
    "Cost",
    "Line",
    "Place",
    "Quote",
    "Terms",
    "after",
    "check_place",
    "check_stack",
    "check_time",
    "check_usable",
    "cost_share",
    "local_day",
    "part",
    "periods",
    "quote",
    "returned_until",
    "split",
    "window",
]
