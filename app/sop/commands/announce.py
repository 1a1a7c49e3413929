"""Tell guides of tasks that have come due: everything that waits for one guide goes into one message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update

from app.core import clock, outbox
from app.core.db import session
from app.core.locks import lock_name

from ..errors import GuideBusy
from ..events import TasksDue
from ..models import GuideTask, SopStep

# WeCom silently drops what a member gets beyond 30 messages a minute from one app; reminders need some of them.
NOTICES_PER_MINUTE = 20
# Tasks made by an event are told of by that event; what is still untold after this long is told by the schedule.
GRACE = timedelta(seconds=20)


@dataclass(frozen=True)
class Notice:
    """What one message tells one guide: how many tasks, and the first of them."""

    guide_id: int
    count: int
    first_task_id: int
    first_title: str


def announce(*, limit: int) -> int:
    """Emit TasksDue for up to `limit` guides with untold tasks; returns for how many."""
    waiting = session.execute(
        select(GuideTask.brand_id, GuideTask.guide_id)
        .where(
            GuideTask.status == "open",
            GuideTask.announced_at.is_(None),
            GuideTask.guide_id.is_not(None),
            GuideTask.due_at <= clock.now() - GRACE,
        )
        .group_by(GuideTask.brand_id, GuideTask.guide_id)
        .order_by(func.min(GuideTask.due_at))
        .limit(limit)
    ).all()
    for brand_id, guide_id in waiting:
        assert guide_id is not None
        outbox.emit(TasksDue(brand_id=brand_id, guide_id=guide_id))
    return len(waiting)


def claim_notice(*, brand_id: int, guide_id: int, notice_id: int) -> Notice | None:
    """Put all untold due tasks of a guide into the message `notice_id`; None when there are none.

    Asked again with the same `notice_id` it gives the same message. Raises GuideBusy when the guide has had
    NOTICES_PER_MINUTE in the last minute: the tasks stay untold and the next message takes them along.
    """
    lock_name(f"guide_notice:{guide_id}")
    mine = (GuideTask.brand_id == brand_id, GuideTask.guide_id == guide_id)
    notice = _told(brand_id, guide_id, notice_id)
    if notice is not None:
        return notice
    now = clock.now()
    recent = session.scalar(
        select(func.count(GuideTask.notice_id.distinct())).where(
            *mine, GuideTask.announced_at > now - timedelta(minutes=1)
        )
    )
    if (recent or 0) >= NOTICES_PER_MINUTE:
        raise GuideBusy(retry_after=30)
    session.execute(
        update(GuideTask)
        .where(*mine, GuideTask.status == "open", GuideTask.announced_at.is_(None), GuideTask.due_at <= now)
        .values(announced_at=now, notice_id=notice_id),
        execution_options={"synchronize_session": False},
    )
    return _told(brand_id, guide_id, notice_id)


def _told(brand_id: int, guide_id: int, notice_id: int) -> Notice | None:
    first = session.execute(
        select(func.count().over(), GuideTask.task_id, SopStep.title)
        .join(SopStep, (SopStep.brand_id == GuideTask.brand_id) & (SopStep.step_id == GuideTask.step_id))
        .where(GuideTask.brand_id == brand_id, GuideTask.guide_id == guide_id, GuideTask.notice_id == notice_id)
        .order_by(GuideTask.deadline_at, GuideTask.task_id)
        .limit(1)
    ).one_or_none()
    return None if first is None else Notice(guide_id, *first)
