"""Writes of identity, one file a verb; all join the open transaction."""

from .erase import Forgotten, erase
from .link import Linked, Objection, link
from .parts import hold
from .reviews import keep_apart
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
    "entomb",
    "erase",
    "hold",
    "keep_apart",
    "link",
    "merge",
    "split",
    "unblock",
]
