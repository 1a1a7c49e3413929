"""Errors of members; the codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound


class MemberUnknown(NotFound):
    code, message = "not_found", "There is no such member."


class TwoMembers(Conflict):
    code, message = "two_members", "Both persons are members of this brand; the case was put up for review."
