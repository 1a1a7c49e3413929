"""A guide has done a task, and can show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.core import clock, outbox
from app.core.db import session
from app.org import queries as org

from .. import rules
from ..errors import TaskClosed, TaskNotDue, TaskUnknown
from ..events import TaskCompleted
from ..models import GuideTask, SopStep


@dataclass(frozen=True)
class Completed:
    """`new` is False when the task was done already: nothing was written and nothing will be issued again."""

    task_id: int
    new: bool


def complete(*, brand_id: int, task_id: int, guide_id: int, evidence: Mapping[str, Any]) -> Completed:
    """Mark a task done with its evidence (rules.check_evidence); the first time it emits TaskCompleted.

    The task must be the guide's own, or of the store whose manager they are; any other is unknown to them.
    """
    guide = org.guide(guide_id)
    # A merge of members may move it while it is being looked for; then it is looked for once more.
    task = _locked(brand_id, task_id) or _locked(brand_id, task_id)
    if task is None or guide is None:
        raise TaskUnknown()
    manages = guide.role == "store_manager" and guide.store_id == task.store_id
    if task.guide_id != guide.id and not manages:
        raise TaskUnknown()
    if task.status == "done":
        return Completed(task_id, new=False)
    if task.status != "open":
        raise TaskClosed()
    now = clock.now()
    if task.due_at > now:
        raise TaskNotDue(due_at=task.due_at.isoformat())
    step = session.get_one(SopStep, (brand_id, task.step_id))
    task.evidence = {**rules.check_evidence(step.action, evidence), "guide_id": guide_id}
    task.status, task.done_at = "done", now
    session.flush()
    outbox.emit(
        TaskCompleted(
            brand_id=brand_id,
            member_id=task.member_id,
            task_id=task_id,
            sop_id=task.sop_id,
            step_id=task.step_id,
            title=step.title,
            action=step.action,
            campaign_id=step.campaign_id,
            guide_id=guide_id,
            store_id=task.store_id,
        )
    )
    return Completed(task_id, new=True)


def _locked(brand_id: int, task_id: int) -> GuideTask | None:
    found = session.execute(
        select(GuideTask.member_id, GuideTask.step_id, GuideTask.period).where(
            GuideTask.brand_id == brand_id, GuideTask.task_id == task_id
        )
    ).one_or_none()
    if found is None:
        return None
    # Locked by its whole key, which lives on one node of a distributed database.
    return session.get(GuideTask, (brand_id, *found), with_for_update=True, populate_existing=True)
