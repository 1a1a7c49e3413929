"""A world with enough connections for a crowd, and the way to take guards away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from coupon_crowds import CONNECTIONS, Unguarded
from factories import World, make_world
from psycopg import errors

from app.core import hot
from app.core.db import session


@pytest.fixture
def world(app: Any) -> Iterator[World]:
    """A world whose hot pool has enough connections for a real crowd."""
    settings = app.extensions["siyu"]
    hot.configure(settings.database_url, CONNECTIONS)
    world = make_world()
    for row in session:
        session.refresh(row)
    session.remove()  # what many threads read is nobody's session's
    yield world
    hot.configure(settings.database_url, settings.hot_pool_size)


@pytest.fixture
def unguarded(world: World, emptied: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Unguarded]:
    """Takes guards away; afterwards what was written without them is deleted and the guards are back."""
    taken = Unguarded(monkeypatch, emptied)
    yield taken
    taken.restore()


@pytest.fixture
def deadlocks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server says of each deadlock that any connection of this process meets."""
    found: list[str] = []
    begin = errors.DeadlockDetected.__init__

    def counted(error: Any, *arguments: Any, **named: Any) -> None:
        found.append(str(arguments[:1]))
        begin(error, *arguments, **named)

    monkeypatch.setattr(errors.DeadlockDetected, "__init__", counted)
    return found
