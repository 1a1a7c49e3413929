"""Marshmallow fields and schemas that the answers of several audiences share."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields

from . import ids


class PublicId(fields.String):
    """An id in its public spelling, for example `tsk_0000000000005`."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        metadata = {"example": ids.encode(prefix, 5), **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)
        self.prefix = prefix

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else ids.encode(self.prefix, value)


class Page(Schema):
    """Base of lists: `next_cursor` is null on the last page."""

    next_cursor = fields.String(allow_none=True)
