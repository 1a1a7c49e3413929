"""Take open tasks of a member back: they do not want to be reached that way."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from app.core.db import session

from .. import rules
from ..models import GuideTask, SopStep


def stop(*, brand_id: int, member_id: int, channels: Sequence[str]) -> list[int]:
    """Cancel the member's open tasks whose action goes over one of these channels; returns their ids."""
    actions = [action for action, channel in rules.CHANNEL_OF.items() if channel in channels]
    steps = select(SopStep.step_id).where(SopStep.brand_id == brand_id, SopStep.action.in_(actions))
    cancelled = session.scalars(
        update(GuideTask)
        .where(
            GuideTask.brand_id == brand_id,
            GuideTask.member_id == member_id,
            GuideTask.status == "open",
            GuideTask.step_id.in_(steps),
        )
        .values(status="cancelled")
        .returning(GuideTask.task_id),
        execution_options={"synchronize_session": False},
    )
    return sorted(cancelled)
