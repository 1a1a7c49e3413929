"""Why a month's books cannot be closed. The codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound


class MonthUnknown(NotFound):
    code, message = "month_unknown", "A month is named as YYYY-MM and has begun."


class MonthNotOver(Conflict):
    code, message = "month_not_over", "The month has not ended yet."


class MonthClosed(Conflict):
    code, message = "month_closed", "The month's books are closed."


class EarlierMonthOpen(Conflict):
    code, message = "earlier_month_open", "The month before it has to be closed first."


class ClosingNotAsked(Conflict):
    code, message = "closing_not_asked", "Nobody has asked for the month to be closed."


class SecondCloserNeeded(Conflict):
    code, message = "second_closer_needed", "Somebody else than who asked for it has to close the month."


class StatementChanged(Conflict):
    code, message = "statement_changed", "The month's lines are not those that were asked for; ask again."
