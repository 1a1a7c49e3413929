"""Errors of privacy; the codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound, TooManyRequests


class ConsentInvalid(Invalid):
    code, message = "consent_invalid", "The consent names a purpose, a channel or evidence that is not known."


class PolicyUnknown(Invalid):
    code, message = "policy_unknown", "The brand has published no privacy policy of this version."


class PolicyChanged(Conflict):
    code, message = "policy_changed", "This version was published before with another text."


class MarketingRefused(Conflict):
    code, message = "marketing_refused", "The member does not want advertising on this channel."


class RevealInvalid(Invalid):
    code, message = "reveal_invalid", "Name a field that can be shown, and a reason of 2 to 200 characters."


class RevealLimit(TooManyRequests):
    code, message = "reveal_limit", "The reader has seen all that their role may see in one day."


class NothingToReveal(NotFound):
    code, message = "nothing_to_reveal", "The member has no such value."


class ExportUnknown(NotFound):
    code, message = "export_unknown", "There is no such export, or it has expired."


class ExportPending(Conflict):
    code, message = "export_pending", "The export is still being made."


class ErasureUnknown(NotFound):
    code, message = "erasure_unknown", "There is no request for erasure."


class ErasureUnderway(Conflict):
    code, message = "erasure_underway", "It is too late: the erasure is being carried out or is done."
