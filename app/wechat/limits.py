"""Checks before sending: what Tencent would refuse as a whole is refused here with the field and the limit."""

from __future__ import annotations

from collections.abc import Sized

from .errors import MessageInvalid


def at_most_characters(text: str, limit: int, field: str) -> None:
    _check(len(text), limit, field, "characters")


def at_most_bytes(text: str, limit: int, field: str) -> None:
    _check(len(text.encode("utf-8", "replace")), limit, field, "bytes")


def at_most_items(items: Sized, limit: int, field: str) -> None:
    _check(len(items), limit, field, "items")


def present(value: object, field: str) -> None:
    if not value:
        raise MessageInvalid(f"{field} is missing.", field=field)


def _check(size: int, limit: int, field: str, unit: str) -> None:
    if size > limit:
        raise MessageInvalid(f"{field} has {size} {unit}, the limit is {limit}.", field=field, limit=limit, unit=unit)
