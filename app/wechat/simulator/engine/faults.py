"""What goes wrong on demand, and Tencent's rate limits."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, WireError

PER_MINUTE, PER_HOUR = 10_000, 150_000
NO_LIMIT = 1 << 30


@dataclass
class Fault:
    """One injected failure of the APIs whose path (without /cgi-bin/) matches `api`, a shell pattern.

    It strikes `count` times (None: until removed), each call with `probability`. `latency_ms` delays; then one of
    `drop` (the connection is cut), `html` (an HTML page with `http_status`), `http_status` or `errcode` answers.
    A fault with only a latency lets the call go on.
    """

    api: str
    errcode: int | None = None
    count: int | None = None
    probability: float = 1.0
    latency_ms: int = 0
    drop: bool = False
    html: bool = False
    http_status: int = 200
    id: int = 0
    struck: int = 0

    @property
    def only_slow(self) -> bool:
        return self.errcode is None and not self.drop and not self.html and self.http_status == 200


class Faults:
    def __init__(self, world: World) -> None:
        self.world = world
        self.faults: list[Fault] = []
        self.quotas: dict[str, dict[str, int]] = {}
        self._windows: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._at_once: Counter[tuple[str, str]] = Counter()

    def inject(self, values: dict[str, Any]) -> Fault:
        unknown = set(values) - {f.name for f in dataclasses.fields(Fault)}
        if unknown or not values.get("api"):
            raise ControlError(f"unknown fault fields: {', '.join(sorted(unknown))}" if unknown else "api is required")
        with self.world.lock:
            fault = Fault(**{**values, "id": self.world.sequence(), "struck": 0})
            self.faults.append(fault)
            return fault

    def remove(self, fault_id: int | None = None) -> None:
        with self.world.lock:
            self.faults = [] if fault_id is None else [f for f in self.faults if f.id != fault_id]

    def strike(self, api: str) -> Fault | None:
        """The fault that hits this call, if any."""
        if not self.faults:
            return None
        with self.world.lock:
            for fault in self.faults:
                if not fnmatch.fnmatchcase(api, fault.api) or self.world.random.random() >= fault.probability:
                    continue
                fault.struck += 1
                if fault.count is not None and fault.struck >= fault.count:
                    self.faults.remove(fault)
                return fault
        return None

    def set_quota(
        self, api: str, per_minute: int | None = None, per_hour: int | None = None, at_once: int | None = None
    ) -> None:
        """Limits per owner (corp or appid) for one API path; None keeps Tencent's. `at_once`: calls side by side."""
        with self.world.lock:
            self.quotas[api] = {
                "minute": per_minute or PER_MINUTE,
                "hour": per_hour or PER_HOUR,
                "at_once": at_once or NO_LIMIT,
            }

    def count(self, owner: str, api: str) -> None:
        """Count one call; 45009 until the window that was exceeded ends."""
        limits = self.quotas.get(api) or self.quotas.get("*") or {"minute": PER_MINUTE, "hour": PER_HOUR}
        now = self.world.now()
        over = False
        with self.world.lock:
            for name, seconds in (("minute", 60), ("hour", 3600)):
                key, window = (owner, api, seconds), int(now // seconds)
                start, used = self._windows.get(key, (window, 0))
                used = used + 1 if start == window else 1
                self._windows[key] = (window, used)
                over = over or used > limits[name]
        if over:
            raise WireError(45009)

    @contextmanager
    def side_by_side(self, owner: str, api: str) -> Iterator[None]:
        """Hold one of the places for calls at once; 45033 when all are taken."""
        key, limit = (owner, api), self.quotas.get(api, {}).get("at_once", NO_LIMIT)
        with self.world.lock:
            if self._at_once[key] >= limit:
                raise WireError(45033)
            self._at_once[key] += 1
        try:
            yield
        finally:
            with self.world.lock:
                self._at_once[key] -= 1

    def reset(self) -> None:
        with self.world.lock:
            self.faults, self.quotas, self._windows = [], {}, {}
