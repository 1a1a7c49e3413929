"""Writes of coupons, one file a verb. Claim and redeem autocommit on the hot pool; the rest joins the transaction."""

from .campaigns import create_campaign, revise, set_status
from .give_back import give_back
from .hold import lock, release
from .parts import Key
from .redeem import Priced, Redemption, Till, price, redeem
from .sweep import expire, release_ended_locks
from .take import Taken, claim, issue
from .void import void_all

__all__ = [
    "Key",
    "Priced",
    "Redemption",
    "Taken",
    "Till",
    "claim",
    "create_campaign",
    "expire",
    "give_back",
    "issue",
    "lock",
    "price",
    "redeem",
    "release",
    "release_ended_locks",
    "revise",
    "set_status",
    "void_all",
]
