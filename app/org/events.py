"""What happened to the people who work here."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class GuideJoined(Event):
    """A member of a corp's staff became a guide of a store, or a guide who had left is back."""

    name = "org.guide_joined"

    guide_id: int
    store_id: int
    corp_id: str
    userid: str


@dataclass(frozen=True, kw_only=True)
class GuideMoved(Event):
    """A guide works in another store now."""

    name = "org.guide_moved"

    guide_id: int
    from_store_id: int
    store_id: int


@dataclass(frozen=True, kw_only=True)
class GuideLeft(Event):
    """A guide left the corp: somebody else must look after their customers and their open tasks."""

    name = "org.guide_left"

    guide_id: int
    store_id: int
    corp_id: str
    userid: str


@dataclass(frozen=True, kw_only=True)
class GuideRenamed(Event):
    """A guide's userid became another; it is the same guide."""

    name = "org.guide_renamed"

    guide_id: int | None
    corp_id: str
    userid: str
    new_userid: str
    at: int
