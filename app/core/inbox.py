"""What the outside told us, stored before it is answered and handled once.

`(source, key)` is unique, so the same callback delivered three times is one row.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from . import clock, context, hot, ids
from .db import Base, distribution
from .work import Handler, Work, work_indexes


class Inbox(Work, Base):
    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("source", "key"), *work_indexes("inbox"), distribution("local"))

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    source: Mapped[str]
    key: Mapped[str]
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    correlation_id: Mapped[str] = mapped_column(index=True)
    received_at: Mapped[datetime] = mapped_column(default=clock.now)


_RECEIVE = """
INSERT INTO inbox (id, source, key, kind, payload, correlation_id, received_at, queue, status, due_at, attempts)
VALUES (%(id)s, %(source)s, %(key)s, %(kind)s, %(payload)s, %(correlation)s, %(now)s, %(queue)s, %(status)s, %(now)s, 0)
ON CONFLICT (source, key) DO NOTHING
RETURNING id
"""

_handlers: dict[str, tuple[str, Handler]] = {}


def receive(*, source: str, key: str, kind: str, payload: dict[str, Any]) -> bool:
    """Store one message from outside, durably and by itself; False when it was there already.

    One autocommitted statement on the hot pool, because the sender waits for it. A kind nobody handles is stored
    as done: it can be counted and looked at, and it never stands in a queue.
    """
    queue, handled = ("default", False) if kind not in _handlers else (_handlers[kind][0], True)
    row = hot.fetch_one(
        _RECEIVE,
        {
            "id": ids.new_id(),
            "source": source,
            "key": key,
            "kind": kind,
            "payload": json.dumps(payload, ensure_ascii=False),
            "correlation": context.correlation_id(),
            "now": clock.now(),
            "queue": queue,
            "status": "due" if handled else "done",
        },
    )
    return row is not None


def handle(kind: str, handler: Handler, *, queue: str = "default") -> None:
    """Say what handles messages of `kind` and on which queue; called by the wiring table only."""
    _handlers[kind] = (queue, handler)


def is_handled(kind: str) -> bool:
    """Whether anybody handles messages of `kind`."""
    return kind in _handlers


def handler_for(row: Inbox) -> Handler:
    return _handlers[row.kind][1]
