"""What every HTTP answer has in common: request ids, size and depth limits, one shape for errors.

Errors are `{code, message, data, request_id}`. This is the only place that knows how an exception becomes an answer.
"""

from __future__ import annotations

import logging
import re
import time
from functools import cache
from typing import Any

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, g, jsonify, request
from prometheus_client import Histogram
from sqlalchemy.exc import DBAPIError
from werkzeug.datastructures import Headers

from . import context, log
from .errors import Invalid, NotFound, NotText, Retryable, SiyuError, TooLarge
from .metrics import REQUESTS
from .transaction import translated

MAX_BODY = 1 << 20
LARGE_BODIES: dict[str, int] = {}  # by endpoint, for the few that take files; filled by the modules that own them
MAX_DEPTH = 32
# A string is taken whole or to the body's end and never looked at again: a second look would cost the square.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', re.DOTALL)
MAX_DIGITS = 4300  # Python reads no longer number, and the framework does not expect its refusal
_LONG_NUMBER = re.compile(rb"(?<![0-9])[0-9]{%d}" % (MAX_DIGITS + 1))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

_log = log.get("http")


class TooDeep(Invalid):
    code, status, message = "json_too_deep", 400, f"JSON may be nested {MAX_DEPTH} levels deep."


class Malformed(Invalid):
    code, status, message = "malformed_json", 400, "The body is not valid JSON."


_CODES = {
    400: Malformed.code,
    404: NotFound.code,
    405: "method_not_allowed",
    413: TooLarge.code,
    415: "media_type",
    422: Invalid.code,
}


def init_app(app: APIFlask) -> None:
    """Install the hooks and error handlers on the application."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.before_request(_begin)
    app.after_request(_finish)
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        app.after_request(_note)
    app.register_error_handler(SiyuError, _siyu_error)
    app.register_error_handler(Exception, _unexpected)
    app.error_processor(_http_error)


def _begin() -> None:
    # Every request comes through here and `_finish`: the environment is read directly, the proxies once.
    environ, mine = request.environ, vars(g)
    given = environ.get("HTTP_X_REQUEST_ID")
    correlation = context.new_correlation_id()
    mine["request_id"] = given if given and _REQUEST_ID.fullmatch(given) else f"req{correlation[3:]}"
    mine["started"] = time.perf_counter()
    context.begin(correlation)
    length = environ.get("CONTENT_LENGTH") or ""
    content_type = environ.get("CONTENT_TYPE", "").lower()
    form = content_type.startswith("multipart/form-data")  # anything else is read whole before anybody is asked who
    most = LARGE_BODIES.get(request.endpoint or "", MAX_BODY) if form else MAX_BODY
    if length.isdecimal() and (len(length) > 9 or int(length) > most):
        raise TooLarge()
    if most != MAX_BODY:
        request.max_content_length = most
    if "json" in content_type and most == MAX_BODY:  # without a length too: a chunked body has none
        body = request.get_data(cache=True)
        _check_depth(body)
        if len(body) > MAX_DIGITS and _LONG_NUMBER.search(body):
            raise Malformed()


def _check_depth(body: bytes) -> None:
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(body):
        bracket = match.group()
        if bracket in (b"{", b"["):
            depth += 1
            if depth > MAX_DEPTH:
                raise TooDeep()
        elif bracket in (b"}", b"]"):
            depth -= 1


def _finish(response: Response) -> Response:
    headers, mine = response.headers, vars(g)
    headers["X-Request-Id"] = mine.get("request_id", "")
    headers["X-Correlation-Id"] = context.correlation_id()
    headers["X-Content-Type-Options"] = "nosniff"
    if response.mimetype == "text/html":
        headers.setdefault("Referrer-Policy", "no-referrer")
    moment = time.perf_counter()
    _timer(request.endpoint or "none", response.status_code // 100).observe(moment - mine.get("started", moment))
    return response


@cache
def _timer(endpoint: str, status: int) -> Histogram:
    return REQUESTS.labels(endpoint, status)


def _note(response: Response) -> Response:
    """A line for every request; only where the level wants it, as even a line that is not written costs its making."""
    _log.debug("request", endpoint=request.endpoint, status=response.status_code)
    return response


def _answer(status: int, code: str, message: str, data: Any = None) -> Response:
    body = {"code": code, "message": message, "data": data or {}, "request_id": g.get("request_id", "")}
    response = jsonify(body)
    response.status_code = status
    return response


def _siyu_error(error: SiyuError) -> Response:
    response = _answer(error.status, error.code, error.message, error.data)
    if isinstance(error, Retryable):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


def _http_error(error: HTTPError) -> tuple[dict[str, Any], int, dict[str, str]]:
    """What the framework refuses (routing, methods, malformed JSON, schemas), in the common shape."""
    fields = _named(error.detail) if isinstance(error.detail, dict) else {}
    code = _CODES.get(error.status_code, "http_error")
    message = Malformed.message if code == Malformed.code else error.message
    data = {"fields": fields} if fields else {}
    body = {"code": code, "message": message, "data": data, "request_id": g.get("request_id", "")}
    return body, error.status_code, dict(Headers(error.headers or {}))


def _named(value: Any) -> Any:
    """What is wrong with which field; a part of a form that has no name stands under the empty one."""
    return {str(name or ""): _named(one) for name, one in value.items()} if isinstance(value, dict) else value


def _unexpected(error: Exception) -> Response:
    if isinstance(error, UnicodeEncodeError):  # JSON can spell half a character, which no database and no hash takes
        return _siyu_error(NotText())
    meant = translated(error) if isinstance(error, DBAPIError) else error
    if isinstance(meant, SiyuError):
        return _siyu_error(meant)
    _log.error("unexpected error", exc_info=error, endpoint=request.endpoint)
    return _answer(500, "internal", "Something went wrong on our side.")
