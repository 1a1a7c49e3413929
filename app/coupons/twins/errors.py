"""Why a campaign cannot be bound to a channel, and what a channel refused. The codes are part of the public API."""

from __future__ import annotations

from typing import Any

from app.core.errors import Conflict, Invalid, NotFound, SiyuError


class ChannelUnknown(Invalid):
    code, message = "channel_unknown", "There is no such coupon channel."


class ChannelClosed(Conflict):
    code, message = "channel_closed", "The channel takes no new campaigns."


class ChannelNotConfigured(Conflict):
    code, message = "channel_not_configured", "The deployment has no account in the channel."


class ChannelUnfit(Invalid):
    code, message = "channel_unfit", "The channel cannot show a coupon with these terms."


class BindingUnknown(NotFound):
    code, message = "binding_unknown", "The campaign is bound to no channel."


class BindingExists(Conflict):
    code, message = "binding_exists", "The campaign is bound to a channel already."


class BindingEnding(Conflict):
    code, message = "binding_ending", "The stock of the campaign's last binding is still being ended in the channel."


class StockTaken(Conflict):
    code, message = "stock_taken", "Another campaign is bound to this stock of the channel."


class TwinConflictUnknown(NotFound):
    code, message = "twin_conflict_unknown", "There is no such conflict."


class TwinConflictClosed(Conflict):
    code, message = "twin_conflict_closed", "The conflict was settled already."


class ChannelRefused(SiyuError):
    """The channel refused a step, and repeating it will not help. `reason` is its own word for why, lower case."""

    code, status, message = "channel_refused", 502, "The channel refused."

    def __init__(self, message: str | None = None, *, reason: str = "", **data: Any) -> None:
        super().__init__(message, reason=reason, **data)
        self.reason = reason
