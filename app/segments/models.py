"""Tags of members, segments, and the members a segment had at one moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, ids
from app.core.db import Base, distribution


class MemberTag(Base):
    """A tag a member has; `source` says who put it there (guide:12, sop:34, import)."""

    __tablename__ = "member_tag"
    __table_args__ = (Index("ix_member_tag_tag", "brand_id", "tag"), distribution("member_id"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tag: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=clock.now)


class Segment(Base):
    __tablename__ = "segment"
    __table_args__ = (UniqueConstraint("brand_id", "name"), distribution("reference"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    name: Mapped[str]
    rule: Mapped[dict[str, Any]]


class SegmentSnapshot(Base):
    """A member the segment had when it was asked at `taken_at`."""

    __tablename__ = "segment_snapshot"
    __table_args__ = (
        # Walked in order of members, one snapshot at a time.
        Index("ix_segment_snapshot_walk", "brand_id", "segment_id", "taken_at", "member_id"),
        distribution("member_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    taken_at: Mapped[datetime] = mapped_column(primary_key=True)
