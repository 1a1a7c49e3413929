"""What happened to a person's privacy."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class OptedOut(Event):
    """A member is no longer to be reached for a purpose on these channels, by their word or by a merge."""

    name = "privacy.opted_out"

    purpose: str
    channels: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class OptedIn(Event):
    """A member may be reached again for a purpose on these channels."""

    name = "privacy.opted_in"

    purpose: str
    channels: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ExportAsked(Event):
    """Somebody asked for everything we know of a member; a worker makes it."""

    name = "privacy.export_asked"

    export_id: int


@dataclass(frozen=True, kw_only=True)
class Erased(Event):
    """A membership, or the whole person, was erased. `request_id`: the request that asked for it."""

    name = "privacy.erased"

    request_id: int
    whole: bool


@dataclass(frozen=True, kw_only=True)
class ErasureDue(Event):
    """The days of grace of a confirmed request are over: carry it out."""

    name = "privacy.erasure_due"

    request_id: int


@dataclass(frozen=True, kw_only=True)
class SweepDue(Event):
    """Old messages are to be searched for the ids of an erased person, from the one after `after` on; then events.
    `part`: messages or events.
    """

    name = "privacy.sweep_due"

    request_id: int
    after: int = 0
    part: str = "messages"
