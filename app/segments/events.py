"""Events of tags and traits."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class TagsChanged(Event):
    """Members were given tags or lost them. `members`: at most a chunk of them, `tags`: the tags concerned."""

    name = "segments.tags_changed"

    members: list[int]
    tags: list[int]


@dataclass(frozen=True, kw_only=True)
class TagWriteDue(Event):
    """A guide's customer in WeCom may bear other tags than the member: compare, and write the difference."""

    name = "segments.tag_write_due"

    corp_id: str
    userid: str
    external_userid: str


@dataclass(frozen=True, kw_only=True)
class TagRuleDue(Event):
    """A chunk of members waits for a rule's tag: those with an id above `after`. `as_of`: ISO time of the snapshot."""

    name = "segments.tag_rule_due"

    tag_id: int
    as_of: str
    after: int


@dataclass(frozen=True, kw_only=True)
class TraitsDue(Event):
    """A chunk of a brand's members waits for its traits: those with an id above `after`. `as_of`: ISO time."""

    name = "segments.traits_due"

    as_of: str
    after: int
