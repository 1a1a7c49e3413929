"""Marshmallow fields of the admin API."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields

from app.core import ids


class PublicId(fields.String):
    """An id in its public spelling, for example `mbr_0000000000005`."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else ids.encode(self.prefix, value)


class Page(Schema):
    """Base of lists: `next_cursor` is null on the last page."""

    next_cursor = fields.String(allow_none=True)
