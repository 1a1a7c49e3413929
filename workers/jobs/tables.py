"""The tables that hold work, and how a row of each finds its handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.core import events, inbox, outbox, slots
from app.core.db import session
from app.core.work import Handler


@dataclass(frozen=True)
class Table:
    """`subject(row)` is what the handler is given: the stored message, the event, the slot."""

    name: str
    model: Any
    handler: Callable[[Any], Handler]
    subject: Callable[[Any], Any]
    label: Callable[[Any], str]
    cause: Callable[[Any], int | None] = lambda row: None


def _event(delivery: outbox.Delivery) -> events.Event:
    row = session.get_one(outbox.Outbox, delivery.outbox_id)
    return events.load(row.name, row.payload)


TABLES = {
    table.name: table
    for table in (
        Table("inbox", inbox.Inbox, inbox.handler_for, lambda row: row, lambda row: row.kind),
        Table(
            "delivery",
            outbox.Delivery,
            lambda row: outbox.subscriber(row.subscriber).handler,
            _event,
            lambda row: row.subscriber,
            lambda row: row.outbox_id,
        ),
        Table("slot", slots.Slot, slots.handler_for, lambda row: row, lambda row: row.task),
    )
}
