"""What can go wrong with SOPs and tasks."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound, Retryable


class SopInvalid(Invalid):
    code, message = "sop_invalid", "The SOP is not valid."


class TaskUnknown(NotFound):
    code, message = "task_unknown", "There is no such task."


class TaskClosed(Conflict):
    code, message = "task_closed", "The task has expired or was cancelled."


class TaskNotDue(Conflict):
    code, message = "task_not_due", "The task is not due yet."


class EvidenceInvalid(Invalid):
    code, message = "evidence_invalid", "The evidence does not prove that the task was done."


class GuideBusy(Retryable):
    code, message = "guide_busy", "The guide has been sent enough messages this minute."
