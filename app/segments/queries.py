"""Reads: a member's tags, a segment and how many it has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app.core.db import session

from .compiler import audience
from .errors import SegmentUnknown
from .models import MemberTag, Segment


def tags_of(brand_id: int, member_id: int) -> list[str]:
    """The member's tags, oldest first."""
    return list(
        session.scalars(
            select(MemberTag.tag)
            .where(MemberTag.brand_id == brand_id, MemberTag.member_id == member_id)
            .order_by(MemberTag.at, MemberTag.tag)
        )
    )


def segment(brand_id: int, segment_id: int) -> Segment:
    found = session.get(Segment, (brand_id, segment_id))
    if found is None:
        raise SegmentUnknown()
    return found


def segments(brand_id: int) -> list[Segment]:
    return list(session.scalars(select(Segment).where(Segment.brand_id == brand_id).order_by(Segment.segment_id)))


def count(*, brand_id: int, rule: dict[str, Any], as_of: datetime) -> int:
    """How many active members the rule is true for."""
    found = audience(brand_id=brand_id, rule=rule, as_of=as_of).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0
