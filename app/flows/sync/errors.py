"""What can go wrong with a reconciliation."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound


class SyncRunning(Conflict):
    code, message = "sync_running", "A reconciliation of this corp is under way."


class SyncRunUnknown(NotFound):
    code, message = "not_found", "There is no such reconciliation."


class SyncNotWaiting(Conflict):
    code, message = "sync_not_waiting", "The reconciliation does not wait for a confirmation."
