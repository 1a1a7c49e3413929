"""What was concluded about a member goes when the member is forgotten: tags, traits, places in snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete

from app.core.db import session

from .models import MemberTag, MemberTrait, SegmentSnapshot


def erase(*, brand_id: int, member_ids: Sequence[int]) -> None:
    """Delete the tags and traits of a member (and of those merged into it) and take it out of snapshots."""
    for model in (MemberTag, MemberTrait, SegmentSnapshot):
        session.execute(
            delete(model).where(model.brand_id == brand_id, model.member_id.in_(member_ids)),
            execution_options={"synchronize_session": False},
        )
