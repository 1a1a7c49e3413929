"""The admin API's blueprint: every route of it passes the guard, every answer to a GET carries an ETag, but for files
that are sent while they are read.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from . import auth, scope

api = APIBlueprint("admin", __name__, url_prefix="/api/admin/v1", tag="Admin")


@api.before_request
def _guard() -> None:
    if request.endpoint not in scope.OPEN:
        auth.guard()


@api.after_request
def _conditional(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if request.method == "GET" and response.status_code == 200 and not response.is_streamed:
        response.add_etag()
        response.make_conditional(request)
    return response
