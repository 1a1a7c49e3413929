"""Tags and traits of members, segments, and the members a segment had at one moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution


class Tag(Base):
    """A tag the brand uses. `kind`: manual (people put it), rule (a segment does), wecom (it came from WeCom).

    `corp_tag_id` is the WeCom tag it is one with, in both directions; any kind may have one. A retired tag is shown
    nowhere and put on nobody; its rows stay.
    """

    __tablename__ = "tag"
    __table_args__ = (
        UniqueConstraint("brand_id", "group_name", "name"),
        UniqueConstraint("brand_id", "corp_tag_id"),
        CheckConstraint("kind IN ('manual', 'rule', 'wecom')", name="kind"),
        CheckConstraint("(kind = 'rule') = (segment_id IS NOT NULL)", name="rule_has_segment"),
        ForeignKeyConstraint(["brand_id", "segment_id"], ["segment.brand_id", "segment.segment_id"]),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    group_name: Mapped[str] = mapped_column(default="")
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="manual")
    segment_id: Mapped[int | None]
    corp_tag_id: Mapped[str | None]
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class MemberTag(Base):
    """The last word said of one tag of one member: whether it is `held`, who said so, when, and on what ground.

    `source`: manual, rule, wecom or import (see `tagging`); `said_by` a public id, a userid, or the name of a machine.
    Rows that are not held remember that the tag was taken off. `origin_member_id` is whose it was before a merge.
    """

    __tablename__ = "member_tag"
    __table_args__ = (
        CheckConstraint("source IN ('manual', 'rule', 'wecom', 'import')", name="source"),
        Index("ix_member_tag_held", "brand_id", "tag_id", "member_id", postgresql_where=text("held")),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    held: Mapped[bool]
    source: Mapped[str]
    said_by: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=clock.now)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)
    origin_member_id: Mapped[int | None]


class MemberTrait(Base):
    """What follows from a member's orders: derived, made anew from them at any time. Money in fen, net of refunds.

    `recency`, `frequency`, `monetary` are scores 1 (low) to 5 by the brand's cut points, None without an order;
    `lifecycle` is a stage of `lifecycle`.
    """

    __tablename__ = "member_trait"
    __table_args__ = (
        Index("ix_member_trait_lifecycle", "brand_id", "lifecycle", "member_id"),
        distribution("member_id", merge="recomputed"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    orders_count: Mapped[int]
    net_paid_fen: Mapped[int]
    avg_fen: Mapped[int]
    refunds: Mapped[int]
    first_paid_at: Mapped[datetime | None]
    last_paid_at: Mapped[datetime | None]
    last_store_id: Mapped[int | None]
    favourite_category: Mapped[str | None]
    recency: Mapped[int | None] = mapped_column(SmallInteger)
    frequency: Mapped[int | None] = mapped_column(SmallInteger)
    monetary: Mapped[int | None] = mapped_column(SmallInteger)
    lifecycle: Mapped[str]
    refreshed_at: Mapped[datetime]


class TraitCut(Base):
    """The values that divide a brand's buyers into fifths, by measure: recency (epoch seconds of the last order),
    frequency (orders), monetary (net fen). `cuts`: four values, rising.
    """

    __tablename__ = "trait_cut"
    __table_args__ = (distribution("reference"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    measure: Mapped[str] = mapped_column(primary_key=True)
    cuts: Mapped[list[Any]]
    as_of: Mapped[datetime]


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
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    segment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    taken_at: Mapped[datetime] = mapped_column(primary_key=True)
