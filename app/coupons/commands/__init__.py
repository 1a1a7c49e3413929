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
from .gifts import add_gift_rule, change_gift_rule, grant, hold_gift, open_birthdays, take_back_gift
from .give_back import LineBack, OrderNow, RefundDone, follow, give_back, refund
from .guides import give_by_guide, limit_guides
from .hold import lock, release
from .offline import Receipt, set_offline_limit, take_receipt
from .order import Answer, OrderQuote, lock_order, quote_order, redeem_order, release_order
from .parts import Key
from .push import give, hold_push, hold_waiting, resume_push, start_push, stop_push
from .redeem import Priced, Redemption, Till, price, redeem
from .redeem_codes import begin_export, end_export, exchange, make_codes, order_codes, plain_codes, void_codes
from .sweep import expire, release_ended_locks, withdraw
from .take import Taken, claim, issue
from .transfer import find_transfer, offer_transfer, take_back_transfer, take_transfer, token_of
from .void import void_all, void_one

__all__ = [
    "STEPS",
    "WITH_REASON",
    "Answer",
    "Key",
    "LineBack",
    "OrderNow",
    "OrderQuote",
    "Priced",
    "Receipt",
    "Redemption",
    "RefundDone",
    "Taken",
    "Till",
    "add_gift_rule",
    "add_stock",
    "allocate",
    "begin_export",
    "change_gift_rule",
    "claim",
    "create_campaign",
    "end_export",
    "exchange",
    "expire",
    "find_transfer",
    "give",
    "follow",
    "give_back",
    "give_by_guide",
    "grant",
    "hold_gift",
    "hold_push",
    "hold_waiting",
    "issue",
    "limit_guides",
    "lock",
    "lock_order",
    "make_codes",
    "offer_transfer",
    "open_birthdays",
    "order_codes",
    "plain_codes",
    "price",
    "quote_order",
    "redeem",
    "redeem_order",
    "refund",
    "release",
    "release_ended_locks",
    "release_order",
    "resume_push",
    "revise",
    "set_budget",
    "set_day_quota",
    "set_offline_limit",
    "set_policy",
    "set_status",
    "start_push",
    "stop_push",
    "switch",
    "take_back_gift",
    "take_back_transfer",
    "take_receipt",
    "take_transfer",
    "token_of",
    "void_all",
    "void_codes",
    "void_one",
    "withdraw",
]
