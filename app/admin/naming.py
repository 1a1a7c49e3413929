"""Ids that a body or query names."""

from __future__ import annotations

from app.core import ids
from app.core.errors import NotFound


def decoded(prefix: str, text: str, unknown: type[NotFound]) -> int:
    """The id behind a public spelling; `unknown` for anything else."""
    try:
        return ids.decode(prefix, text)
    except NotFound:
        raise unknown() from None
