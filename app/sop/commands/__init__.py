"""Writes of SOPs, by verb."""

from .announce import Notice, announce, claim_notice
from .complete import Completed, complete
from .distribute import advance, open_runs
from .hand_over import hand_over
from .leave import leave
from .remind import remind
from .save import save
from .start import start
from .stop import stop

__all__ = [
    "Completed",
    "Notice",
    "advance",
    "announce",
    "claim_notice",
    "complete",
    "hand_over",
    "leave",
    "open_runs",
    "remind",
    "save",
    "start",
    "stop",
]
