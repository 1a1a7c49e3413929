"""What keeps a reconciliation moving."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class SyncAdvanced(Event):
    """A run has come to a turn: its delivery does that turn's work and tells the next one."""

    name = "sync.advanced"

    run_id: int
    turn: int


@dataclass(frozen=True, kw_only=True)
class ConversionsDue(Event):
    """Users or customers of a corp (`kind` as in Conversion) may have to be asked about: the newest, or `everybody`."""

    name = "sync.conversions_due"

    corp_id: str
    kind: str
    everybody: bool = False
