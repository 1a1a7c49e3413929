"""How the story is told: one line a step with its latency, and a non-zero end when any step failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

WAIT = 120.0


class Failed(AssertionError):
    """What a step found is not what the story says."""


class Stopped(Exception):
    """A step failed that the rest of the story stands on."""


class Stage:
    """Runs steps; `times` holds the milliseconds of each by name."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self.failed: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step; its failure is told and ends the act it stands in."""
        begun = time.perf_counter()
        try:
            yield
        except (Failed, AssertionError, KeyError, IndexError, requests.RequestException) as error:
            self.failed.append(name)
            print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
            raise Stopped from error
        else:
            self.times[name] = (time.perf_counter() - begun) * 1000
            print(f"ok   {name:<74} {self.times[name]:9.1f} ms", flush=True)

    def end(self) -> int:
        print(f"{len(self.times)} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed else 0


def expect(answer: requests.Response, status: int = 200, code: str | None = None) -> Any:
    """The JSON of an answer with this status and, for errors, this stable code."""
    if answer.status_code != status or (code is not None and answer.json().get("code") != code):
        wanted = f"{status} {code or ''}".strip()
        raise Failed(f"wanted {wanted}, got {answer.status_code} {answer.text[:300]}")
    return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text


def until(what: str, look: Callable[[], Any], seconds: float = WAIT) -> Any:
    """Ask again until the answer is truthy; Failed when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.05)


def same(found: Any, wanted: Any, what: str) -> None:
    if found != wanted:
        raise Failed(f"{what}: wanted {wanted!r}, found {found!r}")
