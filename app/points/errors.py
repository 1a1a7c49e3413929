"""What the ledger refuses."""

from __future__ import annotations

from app.core.errors import Conflict


class NotEnough(Conflict):
    code, message = "points_not_enough", "The balance does not allow this."
