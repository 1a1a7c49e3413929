"""What happened to channel codes."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class CodeChanged(Event):
    """WeCom has to be told what was asked of a code: create, change or delete it. The row says which."""

    name = "channels.code_changed"

    code_id: int
