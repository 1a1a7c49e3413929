"""Reads: tags and who has them, a segment and how many it has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select

from app.core.db import session

from .compiler import audience
from .errors import SegmentUnknown
from .models import MemberTag, MemberTrait, Segment, SegmentSnapshot, Tag


@dataclass(frozen=True)
class HeldTag:
    """A tag a member has, and whose word it is."""

    tag_id: int
    group_name: str
    name: str
    kind: str
    source: str
    said_by: str
    at: datetime


@dataclass(frozen=True)
class TagLine:
    """A tag with the number of members that have it. `segment` is the name of the rule's segment."""

    tag_id: int
    group_name: str
    name: str
    kind: str
    segment: str | None
    corp_tag_id: str | None
    members: int

    @property
    def in_wecom(self) -> bool:
        return self.corp_tag_id is not None


def tags_of(brand_id: int, member_id: int) -> list[HeldTag]:
    """The member's tags, oldest first."""
    rows = session.execute(
        select(Tag.tag_id, Tag.group_name, Tag.name, Tag.kind, MemberTag.source, MemberTag.said_by, MemberTag.at)
        .join(Tag, and_(Tag.brand_id == MemberTag.brand_id, Tag.tag_id == MemberTag.tag_id))
        .where(
            MemberTag.brand_id == brand_id,
            MemberTag.member_id == member_id,
            MemberTag.held,
            Tag.retired_at.is_(None),
        )
        .order_by(MemberTag.at, Tag.tag_id)
    )
    return [HeldTag(*row) for row in rows]


def traits(brand_id: int, member_id: int) -> MemberTrait | None:
    """A member's traits as they were last made."""
    return session.get(MemberTrait, (brand_id, member_id), populate_existing=True)


def tags(brand_id: int) -> list[Tag]:
    """The tags in use, by group and name."""
    statement = select(Tag).where(Tag.brand_id == brand_id, Tag.retired_at.is_(None))
    return list(session.scalars(statement.order_by(Tag.group_name, Tag.name)))


def tag_lines(brand_id: int) -> list[TagLine]:
    """The tags in use with their numbers of members."""
    counts = (
        select(MemberTag.tag_id, func.count().label("members"))
        .where(MemberTag.brand_id == brand_id, MemberTag.held)
        .group_by(MemberTag.tag_id)
        .subquery()
    )
    rows = session.execute(
        select(
            Tag.tag_id,
            Tag.group_name,
            Tag.name,
            Tag.kind,
            Segment.name,
            Tag.corp_tag_id,
            func.coalesce(counts.c.members, 0),
        )
        .outerjoin(Segment, and_(Segment.brand_id == Tag.brand_id, Segment.segment_id == Tag.segment_id))
        .outerjoin(counts, counts.c.tag_id == Tag.tag_id)
        .where(Tag.brand_id == brand_id, Tag.retired_at.is_(None))
        .order_by(Tag.group_name, Tag.name)
    )
    return [TagLine(*row) for row in rows]


def rule_tags(brand_id: int) -> list[int]:
    """The tags in use that a segment gives."""
    statement = select(Tag.tag_id).where(Tag.brand_id == brand_id, Tag.kind == "rule", Tag.retired_at.is_(None))
    return list(session.scalars(statement.order_by(Tag.tag_id)))


def by_corp_tag(brand_id: int, corp_tag_ids: Collection[str]) -> dict[str, int]:
    """Our tags that are one with these of WeCom, retired ones too."""
    rows = select(Tag.corp_tag_id, Tag.tag_id).where(Tag.brand_id == brand_id, Tag.corp_tag_id.in_(corp_tag_ids))
    return {str(corp_tag_id): tag_id for corp_tag_id, tag_id in session.execute(rows)}


def in_use(brand_id: int, tag_ids: Collection[int]) -> list[int]:
    """Those of these tags that are not retired."""
    rows = select(Tag.tag_id).where(Tag.brand_id == brand_id, Tag.tag_id.in_(tag_ids), Tag.retired_at.is_(None))
    return list(session.scalars(rows.order_by(Tag.tag_id)))


def any_in_wecom(brand_id: int, tag_ids: Collection[int]) -> bool:
    """Whether WeCom knows one of these tags."""
    rows = select(Tag.tag_id).where(
        Tag.brand_id == brand_id,
        Tag.tag_id.in_(tag_ids),
        Tag.corp_tag_id.is_not(None),
        Tag.retired_at.is_(None),
    )
    return session.scalar(rows.limit(1)) is not None


def in_wecom(brand_id: int, member_id: int) -> dict[str, bool]:
    """What was said of a member's tags that WeCom knows, by the WeCom tag: held, or taken off."""
    rows = session.execute(
        select(Tag.corp_tag_id, MemberTag.held)
        .join(Tag, and_(Tag.brand_id == MemberTag.brand_id, Tag.tag_id == MemberTag.tag_id))
        .where(
            MemberTag.brand_id == brand_id,
            MemberTag.member_id == member_id,
            Tag.corp_tag_id.is_not(None),
            Tag.retired_at.is_(None),
        )
    )
    return {str(corp_tag_id): held for corp_tag_id, held in rows}


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


def snapshot_page(brand_id: int, segment_id: int, taken_at: datetime, *, after: int, limit: int) -> Sequence[int]:
    """The next members of a snapshot, by id."""
    return session.scalars(
        select(SegmentSnapshot.member_id)
        .where(
            SegmentSnapshot.brand_id == brand_id,
            SegmentSnapshot.segment_id == segment_id,
            SegmentSnapshot.taken_at == taken_at,
            SegmentSnapshot.member_id > after,
        )
        .order_by(SegmentSnapshot.member_id)
        .limit(limit)
    ).all()
