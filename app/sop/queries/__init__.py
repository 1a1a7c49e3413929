"""Reads of SOPs: playbooks and tasks."""

from .playbooks import Scheduled, scheduled, steps_for_event, steps_of
from .tasks import Counts, TaskView, counts, due_tasks, task, tasks_of_member

__all__ = [
    "Counts",
    "Scheduled",
    "TaskView",
    "counts",
    "due_tasks",
    "scheduled",
    "steps_for_event",
    "steps_of",
    "task",
    "tasks_of_member",
]
