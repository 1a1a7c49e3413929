"""Segments, and snapshots of who they have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, ids
from app.core.db import session
from app.segments import queries, rules
from app.segments.compiler import audience
from app.segments.models import Segment, SegmentSnapshot


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
