"""Writes of identity, one file a verb; all join the open transaction."""

from .claims import close_claim, count_try, open_claim
from .erase import Forgotten, erase, take_back
from .link import Linked, Objection, link
from .parts import hold, hold_both
from .release import move, prefer, release
from .reviews import keep_apart, put_up, remember_apart
from .split import Split, split
from .unite import Follow, merge
from .values import block, entomb, unblock

__all__ = [
    "Follow",
    "Forgotten",
    "Linked",
    "Objection",
    "Split",
    "block",
    "close_claim",
    "count_try",
    "entomb",
    "erase",
    "hold",
    "hold_both",
    "keep_apart",
    "link",
    "merge",
    "move",
    "open_claim",
    "prefer",
    "put_up",
    "release",
    "remember_apart",
    "split",
    "take_back",
    "unblock",
]
