"""What happened lately, for the control room and for checks: API calls, callbacks, and what people did."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

KEEP = 5000


class Journal:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEEP)
        self._next = 1
        self.counts: Counter[str] = Counter()

    def write(self, kind: str, time: float, **details: Any) -> None:
        """`kind` is call, callback, action or scenario. Never a token, a secret or a whole body."""
        with self._lock:
            self._entries.append({"n": self._next, "kind": kind, "time": round(time, 3), **details})
            self._next += 1
            self.counts[f"{kind} {details.get('name', '')} {details.get('outcome', '')}".strip()] += 1

    def after(self, number: int, limit: int = 200, kind: str | None = None) -> list[dict[str, Any]]:
        """Entries newer than `number`, oldest first, the newest `limit` of them."""
        with self._lock:
            found: list[dict[str, Any]] = []
            for entry in reversed(self._entries):
                if entry["n"] <= number or len(found) >= limit:
                    break
                if kind is None or entry["kind"] == kind:
                    found.append(entry)
        return found[::-1]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self.counts.clear()
