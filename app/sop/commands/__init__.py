"""Writes of SOPs, by verb."""

from .announce import Notice, announce, claim_notice
from .complete import Completed, complete
from .distribute import advance, open_runs
from .remind import remind
from .save import save
from .start import start

__all__ = [
    "Completed",
    "Notice",
    "advance",
    "announce",
    "claim_notice",
    "complete",
    "open_runs",
    "remind",
    "save",
    "start",
]
