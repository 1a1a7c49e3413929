"""Writes of coupons, one file a verb. Claim and redeem autocommit on the hot pool; the rest joins the transaction."""

from .campaigns import (
    STEPS,
    WITH_REASON,
    add_stock,
    allocate,
    create_campaign,
    revise,
    set_budget,
    set_day_quota,
    set_policy,
    set_status,
    switch,
)
from .give_back import LineBack, RefundDone, give_back, refund
from .hold import lock, release
from .offline import Receipt, set_offline_limit, take_receipt
from .order import Answer, OrderQuote, lock_order, quote_order, redeem_order, release_order
from .parts import Key
from .redeem import Priced, Redemption, Till, price, redeem
from .sweep import expire, release_ended_locks, withdraw
from .take import Taken, claim, issue
from .void import void_all

__all__ = [
    "STEPS",
    "WITH_REASON",
    "Answer",
    "Key",
    "LineBack",
    "OrderQuote",
    "Priced",
    "Receipt",
    "Redemption",
    "RefundDone",
    "Taken",
    "Till",
    "add_stock",
    "allocate",
    "claim",
    "create_campaign",
    "expire",
    "give_back",
    "issue",
    "lock",
    "lock_order",
    "price",
    "quote_order",
    "redeem",
    "redeem_order",
    "refund",
    "release",
    "release_ended_locks",
    "release_order",
    "revise",
    "set_budget",
    "set_day_quota",
    "set_offline_limit",
    "set_policy",
    "set_status",
    "switch",
    "take_receipt",
    "void_all",
    "withdraw",
]
