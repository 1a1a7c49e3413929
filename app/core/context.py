"""Who and what the present work belongs to: carried through logs, rows and jobs by context variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from . import ids

_correlation: ContextVar[str | None] = ContextVar("correlation_id", default=None)
_cause: ContextVar[int | None] = ContextVar("cause_event_id", default=None)


def new_correlation_id() -> str:
    """A fresh correlation id, `cor_...`: one per callback or outside request."""
    return ids.encode("cor", ids.new_id())


def correlation_id() -> str:
    """The correlation id of the present work; work that nobody caused from outside gets one of its own."""
    current = _correlation.get()
    if current is None:
        current = new_correlation_id()
        _correlation.set(current)
    return current


def current() -> str | None:
    """The correlation id of the present work, or None outside any."""
    return _correlation.get()


def begin(correlation: str) -> None:
    """Start a piece of work that nothing encloses (a request in its own context)."""
    _correlation.set(correlation)
    _cause.set(None)


def cause_id() -> int | None:
    """The outbox event whose delivery is being handled, if any."""
    return _cause.get()


@contextmanager
def correlated(correlation: str, cause: int | None = None) -> Iterator[None]:
    """Run a block as part of the journey `correlation`."""
    token, cause_token = _correlation.set(correlation), _cause.set(cause)
    try:
        yield
    finally:
        _correlation.reset(token)
        _cause.reset(cause_token)
