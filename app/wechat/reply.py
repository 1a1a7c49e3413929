"""Reading replies: the fields we need, in the types we promise, whatever the other side sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .errors import AnswerIncomplete, Unavailable


def text(reply: dict[str, Any], key: str) -> str:
    """A field the reply must hold; an answer without it is treated as the server being unwell."""
    value = reply.get(key)
    if value is None or value == "" or isinstance(value, dict | list):
        raise Unavailable(f"The answer holds no {key}.")
    return str(value)


def optional_text(reply: dict[str, Any], key: str) -> str | None:
    value = reply.get(key)
    return str(value) if value not in (None, "") and not isinstance(value, dict | list) else None


def number(reply: dict[str, Any], key: str, default: int = 0) -> int:
    try:
        return int(reply.get(key, default))
    except (TypeError, ValueError):
        return default


def moment(reply: dict[str, Any], key: str) -> datetime | None:
    """A field in seconds since 1970 as an aware UTC datetime; None where absent or zero."""
    seconds = number(reply, key)
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 1 << 33 else None


def objects(reply: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = reply.get(key)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def listing(reply: dict[str, Any], key: str) -> list[Any]:
    """A list the reply must hold, empty or not: where nothing listed may mean that something is gone, an answer
    without the list is no answer.
    """
    value = reply.get(key)
    if not isinstance(value, list):
        raise AnswerIncomplete(f"The answer holds no list {key}.")
    return value


def record(reply: dict[str, Any], key: str) -> dict[str, Any]:
    value = reply.get(key)
    return value if isinstance(value, dict) else {}


def texts(reply: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of ids; the same fields come as a `|`-joined string from some calls."""
    value = reply.get(key)
    if isinstance(value, str):
        value = value.split("|")
    return tuple(str(entry) for entry in value if entry != "") if isinstance(value, list) else ()
