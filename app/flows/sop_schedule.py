"""The clock's part in SOPs: open what is due, give it out chunk by chunk, tell the guides, climb the ladder."""

from __future__ import annotations

from app.core.slots import Slot
from app.sop import commands as sop
from app.sop.events import RunAdvanced

GUIDES_TOLD = 200
TASKS_CLIMBED = 2000


def distribute(slot: Slot) -> None:
    """Each minute: open the runs that are owed, write a chunk, and announce what has come due."""
    sop.open_runs()
    sop.advance()
    sop.announce(limit=GUIDES_TOLD)


def go_on(event: RunAdvanced) -> None:
    """A chunk is written: write the next one, each in a transaction of its own, until no run is left."""
    sop.advance()


def remind(slot: Slot) -> None:
    """Every ten minutes: overdue tasks go one rung up."""
    sop.remind(limit=TASKS_CLIMBED)
