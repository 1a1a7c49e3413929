"""A member has another guide: their open tasks go along."""

from __future__ import annotations

from sqlalchemy import update

from app.core import outbox
from app.core.db import session

from ..events import TasksDue
from ..models import GuideTask


def hand_over(*, brand_id: int, member_id: int, guide_id: int, store_id: int) -> int:
    """Give a member's open tasks to a guide, who is told of them as new; returns how many changed hands."""
    moved = session.scalars(
        update(GuideTask)
        .where(
            GuideTask.brand_id == brand_id,
            GuideTask.member_id == member_id,
            GuideTask.status == "open",
            GuideTask.guide_id.is_distinct_from(guide_id),
        )
        .values(guide_id=guide_id, store_id=store_id, announced_at=None, notice_id=None)
        .returning(GuideTask.task_id),
        execution_options={"synchronize_session": False},
    ).all()
    if moved:
        outbox.emit(TasksDue(brand_id=brand_id, member_id=member_id, guide_id=guide_id))
    return len(moved)
