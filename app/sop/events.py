"""What happens to tasks."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class TaskCreated(Event):
    """A task an event gave a guide. Tasks that a segment's run makes by the thousand are told of by TasksDue only."""

    name = "sop.task_created"

    task_id: int
    sop_id: int
    step_id: int
    title: str
    guide_id: int | None
    store_id: int
    due_at: str


@dataclass(frozen=True, kw_only=True)
class TaskCompleted(Event):
    """`campaign_id`: the coupon campaign this step promised the member, if any."""

    name = "sop.task_completed"

    task_id: int
    sop_id: int
    step_id: int
    title: str
    action: str
    campaign_id: int | None
    guide_id: int
    store_id: int


@dataclass(frozen=True, kw_only=True)
class TasksDue(Event):
    """A guide has tasks that have come due and that nobody has told them of."""

    name = "sop.tasks_due"

    guide_id: int


@dataclass(frozen=True, kw_only=True)
class TasksOverdue(Event):
    """Tasks passed their deadline. `level` guide: their own; store_manager: those of the manager's store."""

    name = "sop.tasks_overdue"

    guide_id: int
    level: str
    count: int
    first_task_id: int


@dataclass(frozen=True, kw_only=True)
class RunAdvanced(Event):
    """A chunk of a scheduled SOP's run is written; whoever hears of it writes the next."""

    name = "sop.run_advanced"

    sop_id: int
    period: str
