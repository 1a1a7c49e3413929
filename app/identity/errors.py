"""Errors of identity; the codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound


class PhoneInvalid(Invalid):
    code, message = "phone_invalid", "This is not a phone number."


class IdentityBlocked(Invalid):
    code, message = "identity_blocked", "This value belongs to nobody in particular and identifies no one."


class IdentityConflict(Conflict):
    code, message = "identity_conflict", "The ids belong to different people; the case was put up for review."


class PersonUnknown(NotFound):
    code, message = "not_found", "There is no such person."


class IdentityErased(Conflict):
    code, message = "identity_erased", "These ids belonged to a person who was erased; only they can come back."


class ReviewUnknown(NotFound):
    code, message = "not_found", "There is no such review."


class ReviewClosed(Conflict):
    code, message = "review_closed", "The two are one person already; split the merge instead."


class MergeUnknown(NotFound):
    code, message = "not_found", "There is no such merge."


class PersonErased(Conflict):
    code, message = "person_erased", "The person was erased; who comes back begins anew."
