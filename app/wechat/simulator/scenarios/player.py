"""Plays timed steps: a heap of what is due and a few threads that take it."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from app.wechat.simulator.clients import ProductError
from app.wechat.simulator.errors import ControlError

log = structlog.get_logger(__name__)
THREADS = 8


class Player:
    """A story of steps that plan their successors; it ends when nothing is planned any more, or is stopped.

    `speed` divides the waiting times given to `pause`. `steps` counts what happened, under the names people read.
    """

    name = ""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.steps: Counter[str] = Counter()
        self.started_at = time.time()
        self.order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._busy = 0
        self._thread = threading.Thread(target=self._play, name="scenario", daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive() and not self._stopping

    def play(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def describe(self) -> dict[str, Any]:
        with self._wake:
            return {
                "name": self.name,
                "running": self.running,
                "seconds": round(time.time() - self.started_at),
                "steps": dict(self.steps),
                "waiting": len(self._due),
            }

    def count(self, step: str) -> None:
        with self._wake:
            self.steps[step] += 1

    def pause(self, seconds: float, step: Callable[..., None], *arguments: Any) -> None:
        self.later(seconds / self.speed, step, *arguments)

    def later(self, seconds: float, step: Callable[..., None], *arguments: Any) -> None:
        with self._wake:
            heapq.heappush(self._due, (time.time() + seconds, next(self.order), lambda: step(*arguments)))
            self._wake.notify()

    def _play(self) -> None:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="scenario") as pool:
            while True:
                with self._wake:
                    self._wake.wait_for(self._has_something_to_do, timeout=self._seconds_to_next())
                    if self._stopping or (not self._due and not self._busy):
                        return
                    if not self._due or self._due[0][0] > time.time() or self._busy >= 8 * THREADS:
                        continue
                    step = heapq.heappop(self._due)[2]
                    self._busy += 1
                pool.submit(self._take, step)

    def _has_something_to_do(self) -> bool:
        due = bool(self._due) and self._due[0][0] <= time.time() and self._busy < 8 * THREADS
        return self._stopping or due or (not self._due and not self._busy)

    def _seconds_to_next(self) -> float:
        return max(0.001, self._due[0][0] - time.time()) if self._due and self._busy < 8 * THREADS else 1.0

    def _take(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ProductError as error:
            self.count(f"产品拒绝 {error.code}")
        except ControlError:
            self.count("跳过")  # such as an unfollow of somebody who was deleted meanwhile
        except Exception:
            self.count("出错")
            log.exception("scenario_step_failed")
        finally:
            with self._wake:
                self._busy -= 1
                self._wake.notify()
