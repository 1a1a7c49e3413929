"""What a request costs the database, in statements of the session and of the hot pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.core import hot
from app.core.db import db


@contextmanager
def session_statements() -> Iterator[list[str]]:
    """The statements that the session sends in the block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(" ".join(statement.split()))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


@contextmanager
def statements() -> Iterator[list[str]]:
    """All statements that are sent in the block."""

    def noted(fetch: Any) -> Any:
        def fetching(statement: str, parameters: Any) -> Any:
            seen.append(" ".join(statement.split()))
            return fetch(statement, parameters)

        return fetching

    one, every = hot.fetch_one, hot.fetch_all
    with session_statements() as seen:
        hot.fetch_one, hot.fetch_all = noted(one), noted(every)
        try:
            yield seen
        finally:
            hot.fetch_one, hot.fetch_all = one, every
