"""Cron slots: one row per (task, moment), so that a missed slot is caught up and a doubled scheduler is a no-op."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from . import clock, context, ids
from .db import Base, distribution, session
from .work import Handler, Work, work_indexes


class Slot(Work, Base):
    __tablename__ = "slot"
    __table_args__ = (UniqueConstraint("task", "at"), *work_indexes("slot"), distribution("local"))

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    task: Mapped[str]
    at: Mapped[datetime]
    correlation_id: Mapped[str]


_handlers: dict[str, Handler] = {}


def handle(task: str, handler: Handler) -> None:
    """Say what runs in a task's slots; called by the wiring table only. The handler is given the Slot."""
    _handlers[task] = handler


def handler_for(row: Slot) -> Handler:
    return _handlers[row.task]


def open_due(task: str, queue: str, following: Callable[[datetime], datetime], catch_up: int = 24) -> int:
    """Write the rows of all slots of a task that have come since its last row, at most `catch_up`, newest kept.

    `following(moment)` is the first slot after a moment. Returns how many rows this call added.
    """
    moment = clock.now()
    last = session.scalar(select(func.max(Slot.at)).where(Slot.task == task))
    slots: list[datetime] = []
    at = following(last if last is not None else moment - timedelta(minutes=1))
    while at <= moment:
        slots.append(at)
        at = following(at)
    rows = [
        {
            "id": ids.new_id(),
            "task": task,
            "at": one,
            "queue": queue,
            "status": "due",
            "due_at": moment,
            "attempts": 0,
            "correlation_id": context.new_correlation_id(),
        }
        for one in slots[-catch_up:]
    ]
    if not rows:
        return 0
    added = session.scalars(insert(Slot).on_conflict_do_nothing(index_elements=["task", "at"]).returning(Slot.id), rows)
    return len(added.all())
