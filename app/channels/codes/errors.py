"""What can go wrong with channel codes."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound


class CodeInvalid(Invalid):
    code, message = "channel_code_invalid", "The channel code is not valid."


class CodeUnknown(NotFound):
    code, message = "channel_code_unknown", "There is no such channel code."


class CodeRetired(Conflict):
    code, message = "channel_code_retired", "The channel code is out of use."


class StateTaken(Conflict):
    code, message = "channel_code_state_taken", "Another channel code has this state."
