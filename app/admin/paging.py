"""Keyset cursors: opaque to the caller, a place in an ordered list to us."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from app.core.errors import Invalid

PAGE = 50


class CursorInvalid(Invalid):
    code, message = "cursor_invalid", "The cursor is not one that a list answered with."


def encode(at: datetime, row_id: int) -> str:
    """The cursor of a row that lists are ordered by."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), row_id]).encode()).decode()


def decode(cursor: str | None) -> tuple[datetime, int] | None:
    """The row after which the next page begins; None for the first page."""
    if not cursor:
        return None
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        place = datetime.fromisoformat(at), row_id
    except (ValueError, TypeError, binascii.Error) as error:
        raise CursorInvalid() from error
    if type(row_id) is not int or abs(row_id) >= 1 << 63 or place[0].tzinfo is None:
        raise CursorInvalid()
    return place
