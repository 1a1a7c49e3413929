"""Errors of members; the codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound


class MemberUnknown(NotFound):
    code, message = "not_found", "There is no such member."


class PhoneTaken(Conflict):
    code, message = "phone_taken", "This phone is known as somebody else's: answer the claim in `data`."


class ProofWrong(Invalid):
    code, message = "proof_wrong", "This does not prove that the record is yours."
