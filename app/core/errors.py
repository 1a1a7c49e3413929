"""Errors every layer may raise; `http.py` is the one place that turns them into answers.

A `code` is part of the public API and never changes its meaning. `data` holds JSON-safe facts for the caller
(never personal data). Domain errors are two-line subclasses.
"""

from __future__ import annotations

from typing import Any


class SiyuError(Exception):
    code = "error"
    status = 400
    message = "The request cannot be served."

    def __init__(self, message: str | None = None, **data: Any) -> None:
        self.message = message or type(self).message
        self.data = data
        super().__init__(self.message)


class Invalid(SiyuError):
    code, status, message = "invalid", 422, "The request is not valid."


class NotText(Invalid):
    code, status, message = "not_text", 400, "The request holds characters that are not text: NUL, or half a character."


class Unauthorized(SiyuError):
    code, status, message = "unauthorized", 401, "Authentication is required."


class Forbidden(SiyuError):
    code, status, message = "forbidden", 403, "This is not allowed for the caller."


class NotFound(SiyuError):
    code, status, message = "not_found", 404, "There is no such thing, or the caller may not see it."


class Conflict(SiyuError):
    code, status, message = "conflict", 409, "The request conflicts with the present state."


class TooLarge(SiyuError):
    code, status, message = "too_large", 413, "The request body is too large."


class Retryable(SiyuError):
    """Something the caller may try again after `retry_after` seconds; answered with a Retry-After header."""

    status = 503

    def __init__(self, message: str | None = None, *, retry_after: float = 1, **data: Any) -> None:
        super().__init__(message, **data)
        self.retry_after = retry_after


class TooManyRequests(Retryable):
    code, status, message = "too_many_requests", 429, "Too many requests."


class Busy(Retryable):
    code, message = "busy", "Another request holds what this one needs."


class Unavailable(Retryable):
    code, message = "unavailable", "A service that is needed does not answer."


class ProgrammingError(RuntimeError):
    """A rule of the house was broken (nested transaction, network call inside one, ...): a bug, never an answer."""
