"""Writes: tags, segments, and snapshots of who a segment has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, ids
from app.core.db import session
from app.core.errors import Invalid

from . import queries, rules
from .compiler import audience
from .models import MemberTag, Segment, SegmentSnapshot


class TagInvalid(Invalid):
    code, message = "tag_invalid", "A tag has 1 to 30 characters."


def tag(*, brand_id: int, member_id: int, tags: list[str], source: str) -> None:
    """Give a member tags; those already there keep their source and time."""
    if not all(0 < len(one.strip()) <= 30 for one in tags):
        raise TagInvalid()
    if tags:
        at = clock.now()
        rows = [
            {"brand_id": brand_id, "member_id": member_id, "tag": one.strip(), "source": source, "at": at}
            for one in tags
        ]
        session.execute(insert(MemberTag).on_conflict_do_nothing(), rows)


def untag(*, brand_id: int, member_id: int, tags: list[str]) -> None:
    session.execute(
        delete(MemberTag).where(
            MemberTag.brand_id == brand_id, MemberTag.member_id == member_id, MemberTag.tag.in_(tags)
        )
    )


def save_segment(*, brand_id: int, name: str, rule: dict[str, Any]) -> int:
    """Create or replace the segment called `name`; its rule must parse and name only things that exist."""
    rules.parse(rule)
    audience(brand_id=brand_id, rule=rule, as_of=clock.now())
    statement = insert(Segment).values(brand_id=brand_id, segment_id=ids.new_id(), name=name, rule=rule)
    saved = session.scalar(
        statement.on_conflict_do_update(index_elements=["brand_id", "name"], set_={"rule": rule}).returning(
            Segment.segment_id
        )
    )
    assert saved is not None
    return saved


def take_snapshot(*, brand_id: int, segment_id: int, as_of: datetime) -> int:
    """Write down who the segment has at `as_of`, in one statement; returns how many. Doing it again adds nobody."""
    rule = queries.segment(brand_id, segment_id).rule
    members = audience(brand_id=brand_id, rule=rule, as_of=as_of).subquery()
    rows = select(literal(brand_id), members.c.member_id, literal(segment_id), literal(as_of))
    columns = ["brand_id", "member_id", "segment_id", "taken_at"]
    session.execute(insert(SegmentSnapshot).from_select(columns, rows).on_conflict_do_nothing())
    taken = select(func.count()).where(
        SegmentSnapshot.brand_id == brand_id,
        SegmentSnapshot.segment_id == segment_id,
        SegmentSnapshot.taken_at == as_of,
    )
    return session.scalar(taken) or 0
