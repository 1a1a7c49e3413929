"""What happened to a membership."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class Joined(Event):
    """A person became a member of a brand; `source` says where (till, miniapp, import)."""

    name = "members.joined"

    source: str
    store_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Bound(Event):
    """A member proved a phone number in the mini-program for the first time. Once a member."""

    name = "members.bound"

    guide_id: int | None = None
    store_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class GuideAssigned(Event):
    """A member has a (new) owning guide."""

    name = "members.guide_assigned"

    guide_id: int
    store_id: int
    reason: str
