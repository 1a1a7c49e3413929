"""Tags for tests: named, defined when they are not, put on or taken off by a person."""

from __future__ import annotations

from app.core.db import session
from app.segments import commands
from app.segments.models import Tag


def tag_id(brand_id: int, name: str) -> int:
    """The tag of this name without a group, defined if need be."""
    found = session.query(Tag).filter_by(brand_id=brand_id, group_name="", name=name).one_or_none()
    return found.tag_id if found else commands.define_tag(brand_id=brand_id, name=name)


def tagged(brand_id: int, member_id: int, *names: str) -> None:
    """Put tags on a member in the open transaction."""
    wanted = [tag_id(brand_id, name) for name in names]
    commands.put(brand_id=brand_id, member_id=member_id, tag_ids=wanted, source="manual", said_by="test")


def untagged(brand_id: int, member_id: int, *names: str) -> None:
    """Take tags off a member in the open transaction."""
    gone = [tag_id(brand_id, name) for name in names]
    commands.take_off(brand_id=brand_id, member_id=member_id, tag_ids=gone, source="manual", said_by="test")
