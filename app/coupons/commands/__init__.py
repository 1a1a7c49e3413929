"""Writes of coupons, one file a verb. Claim and redeem autocommit on the hot pool; the rest joins the transaction."""

from .campaigns import create_campaign, revise, set_status
from .gifts import (
    add_gift_rule,
    change_gift_rule,
    grant,
    hold_gift,
    open_birthdays,
    take_back_gift,
)
from .give_back import give_back
from .guides import give_by_guide, limit_guides
from .hold import lock, release
from .parts import Key
from .push import give, hold_push, resume_push, start_push, stop_push
from .redeem import Priced, Redemption, Till, price, redeem
from .redeem_codes import (
    begin_export,
    end_export,
    exchange,
    make_codes,
    order_codes,
    plain_codes,
    void_codes,
)
from .sweep import expire, release_ended_locks
from .take import Taken, claim, issue
from .transfer import find_transfer, offer_transfer, take_back_transfer, take_transfer, token_of
from .void import void_all

__all__ = [
    "Key",
    "Priced",
    "Redemption",
    "Taken",
    "Till",
    "add_gift_rule",
    "begin_export",
    "change_gift_rule",
    "claim",
    "create_campaign",
    "end_export",
    "exchange",
    "expire",
    "find_transfer",
    "give",
    "give_back",
    "give_by_guide",
    "grant",
    "hold_gift",
    "hold_push",
    "issue",
    "limit_guides",
    "lock",
    "make_codes",
    "offer_transfer",
    "open_birthdays",
    "order_codes",
    "plain_codes",
    "price",
    "redeem",
    "release",
    "release_ended_locks",
    "resume_push",
    "revise",
    "set_status",
    "start_push",
    "stop_push",
    "take_back_gift",
    "take_back_transfer",
    "take_transfer",
    "token_of",
    "void_all",
    "void_codes",
]
