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
class HomeStoreMoved(Event):
    """A member's home is another store now."""

    name = "members.home_store_moved"

    store_id: int


@dataclass(frozen=True, kw_only=True)
class GuideAssigned(Event):
    """A member has a (new) owning guide."""

    name = "members.guide_assigned"

    guide_id: int
    store_id: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Merged(Event):
    """Two members of one brand became one: `member_id` is the winner, and all that `loser_id` had is the winner's."""

    name = "members.merged"

    loser_id: int
    merge_id: int


@dataclass(frozen=True, kw_only=True)
class Split(Event):
    """A merge of members was taken back: `loser_id` has again what it brought, `member_id` is the winner that was."""

    name = "members.split"

    loser_id: int
    merge_id: int


@dataclass(frozen=True, kw_only=True)
class Rebound(Event):
    """The phone of a member changed. `change`: "exchanged" (the member bound another one) or "lost" (somebody else
    holds the number now, and this member's wallet stays with this member).
    """

    name = "members.rebound"

    change: str
