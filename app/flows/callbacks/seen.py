"""Which callbacks came: for the operator who wonders whether Tencent talks to us, and of what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from app.core import inbox
from app.core.db import session
from app.core.inbox import Inbox

from .wiring import KEPT


@dataclass(frozen=True)
class Seen:
    """One kind of callback: how many came, how many of them wait and were laid aside, and when the last one came.

    `use` is handled, kept (stored on purpose and leading to nothing) or unknown.
    """

    kind: str
    use: str
    count: int
    waiting: int
    dead: int
    last_at: datetime


def kinds() -> list[Seen]:
    """Every kind in the inbox, unknown ones first."""
    rows = session.execute(
        select(
            Inbox.kind,
            func.count(),
            func.count().filter(Inbox.status.in_(("due", "queued", "running"))),
            func.count().filter(Inbox.status == "dead"),
            func.max(Inbox.received_at),
        ).group_by(Inbox.kind)
    )
    found = [Seen(kind, use(kind), count, waiting, dead, last_at) for kind, count, waiting, dead, last_at in rows]
    order = ("unknown", "kept", "handled")
    return sorted(found, key=lambda one: (order.index(one.use), one.kind))


def use(kind: str) -> str:
    if inbox.is_handled(kind):
        return "handled"
    return "kept" if kind in KEPT else "unknown"
