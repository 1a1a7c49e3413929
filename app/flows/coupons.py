"""What time does to coupons: validity and holds end, one bounded chunk a slot."""

from __future__ import annotations

from app.core import clock, context
from app.core.db import session
from app.core.slots import Slot
from app.coupons import commands
from app.coupons.commands.sweep import CHUNK


def expire(slot: Slot) -> None:
    """Slot coupons.expire."""
    _follow(slot, commands.expire())


def release_locks(slot: Slot) -> None:
    """Slot coupons.release_locks."""
    _follow(slot, commands.release_ended_locks())


def withdraw(slot: Slot) -> None:
    """Slot coupons.withdraw."""
    _follow(slot, commands.withdraw())


def _follow(slot: Slot, handled: int) -> None:
    """A full chunk means that more is left, so another slot follows at once."""
    if handled == CHUNK:
        session.add(Slot(task=slot.task, at=clock.now(), queue=slot.queue, correlation_id=context.correlation_id()))
