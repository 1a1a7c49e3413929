"""Tags that a segment gives: set-based, chunk by chunk over a snapshot of who the segment has."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from app.core import context, ids
from app.core.db import session
from app.core.outbox import emit
from app.privacy.models import OptOut
from app.privacy.rules import ANY, PROFILING
from app.segments import tagging
from app.segments.events import TagsChanged
from app.segments.models import MemberTag, SegmentSnapshot, Tag

from .segments import take_snapshot

_END = (1 << 63) - 1


def apply_rule(*, brand_id: int, tag_id: int, as_of: datetime, after: int, limit: int) -> int | None:
    """Put a rule's tag on the next members of its segment as of a moment, and take it off those between them.

    The first chunk (`after` 0) takes the snapshot, the last one removes it. Returns where the next chunk starts, None
    after the last one or when the tag is a rule's no more. Doing a chunk again changes nothing.
    """
    tag = session.get(Tag, (brand_id, tag_id), populate_existing=True)
    if tag is None or tag.segment_id is None or tag.retired_at is not None:
        return None
    if after == 0:
        take_snapshot(brand_id=brand_id, segment_id=tag.segment_id, as_of=as_of)
    snapshot = (
        SegmentSnapshot.brand_id == brand_id,
        SegmentSnapshot.segment_id == tag.segment_id,
        SegmentSnapshot.taken_at == as_of,
    )
    chunk = session.scalars(
        select(SegmentSnapshot.member_id)
        .where(*snapshot, SegmentSnapshot.member_id > after)
        .order_by(SegmentSnapshot.member_id)
        .limit(limit)
    ).all()
    last = chunk[-1] if len(chunk) == limit else _END
    found = select(SegmentSnapshot.member_id).where(
        *snapshot,
        SegmentSnapshot.member_id > after,
        SegmentSnapshot.member_id <= last,
        # Who refuses to be profiled is in no rule's audience.
        ~exists().where(
            OptOut.brand_id == brand_id,
            OptOut.member_id == SegmentSnapshot.member_id,
            OptOut.purpose == PROFILING,
            OptOut.channel == ANY,
        ),
    )
    word = {
        "source": "rule",
        "said_by": ids.encode("seg", tag.segment_id),
        "at": as_of,
        "evidence": {},
        "correlation_id": context.correlation_id(),
    }
    rows = found.with_only_columns(
        literal(brand_id),
        SegmentSnapshot.member_id,
        literal(tag_id),
        literal(True),
        *(_bound(word, name) for name in word),
    )
    put = session.scalars(
        insert(MemberTag)
        .from_select(["brand_id", "member_id", "tag_id", "held", *word], rows)
        .on_conflict_do_update(
            index_elements=["brand_id", "member_id", "tag_id"],
            set_={"held": True, **word},
            where=_may_take(True, as_of),
        )
        .returning(MemberTag.member_id),
        execution_options={"synchronize_session": False},
    ).all()
    gone = session.scalars(
        update(MemberTag)
        .where(
            MemberTag.brand_id == brand_id,
            MemberTag.tag_id == tag_id,
            MemberTag.member_id > after,
            MemberTag.member_id <= last,
            _may_take(False, as_of),
            ~exists(found.where(SegmentSnapshot.member_id == MemberTag.member_id)),
        )
        .values(held=False, **word)
        .returning(MemberTag.member_id),
        execution_options={"synchronize_session": False},
    ).all()
    if tag.corp_tag_id is not None and (changed := sorted({*put, *gone})):
        emit(TagsChanged(brand_id=brand_id, members=changed, tags=[tag_id]))
    if last != _END:
        return last
    session.execute(delete(SegmentSnapshot).where(*snapshot), execution_options={"synchronize_session": False})
    return None


def _may_take(held: bool, as_of: datetime) -> ColumnElement[bool]:
    """The policy of `tagging`, and no word of a rule that is older than what stands."""
    standing = tuple_(MemberTag.held, MemberTag.source).in_(sorted(tagging.OVERRIDES[held, "rule"]))
    return standing & (MemberTag.at <= as_of)


def _bound(word: dict[str, object], name: str) -> object:
    return literal(word[name], MemberTag.__table__.columns[name].type)
