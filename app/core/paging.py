"""Pages of a list: keyset cursors, opaque to the caller, the place of a row in an ordered list to us."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from .errors import Invalid

Row = TypeVar("Row")


class CursorInvalid(Invalid):
    code, message = "cursor_invalid", "The cursor is not one that a list answered with."


def page(
    rows: Sequence[Row], limit: int, place: Callable[[Row], tuple[datetime | int, ...]]
) -> tuple[Sequence[Row], str | None]:
    """The first `limit` of `rows` (ask for one more) and the next page's cursor, None on the last page.

    `place` gives the values that the list is ordered by.
    """
    shown = rows[:limit]
    return shown, _encode(place(shown[-1])) if len(rows) > limit else None


def after(cursor: str | None) -> tuple[datetime, int] | None:
    """The (moment, id) after which the page of a list ordered by both begins; None for the first page."""
    if not cursor:
        return None
    match _decode(cursor):
        case [str(text), int(row_id)] if _is_id(row_id):
            return _moment(text), row_id
    raise CursorInvalid()


def after_id(cursor: str | None) -> int | None:
    """The id after which the page of a list ordered by ids begins; None for the first page."""
    if not cursor:
        return None
    match _decode(cursor):
        case [int(row_id)] if _is_id(row_id):
            return row_id
    raise CursorInvalid()


def place(cursor: str | None) -> list[datetime | int] | None:
    """The values of a place that has more parts than two, its moment first; None for the first page."""
    if not cursor:
        return None
    match _decode(cursor):
        case [str(text), *rest] if all(_is_id(value) for value in rest):
            return [_moment(text), *rest]
    raise CursorInvalid()


def _encode(place: tuple[datetime | int, ...]) -> str:
    values = [value.isoformat() if isinstance(value, datetime) else value for value in place]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def _decode(cursor: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError as error:  # base64, UTF-8 and JSON alike
        raise CursorInvalid() from error


def _is_id(value: int) -> bool:
    return type(value) is int and abs(value) < 1 << 63


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CursorInvalid() from error
    if moment.tzinfo is None:
        raise CursorInvalid()
    return moment
