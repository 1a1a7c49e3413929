"""Why a flag or a rule cannot be changed. The codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound


class FlagUnknown(NotFound):
    code, message = "flag_unknown", "There is no such flag."


class FlagDecided(Conflict):
    code, message = "flag_decided", "Somebody has decided about this flag already."


class RuleUnknown(NotFound):
    code, message = "fraud_rule_unknown", "There is no such rule."
