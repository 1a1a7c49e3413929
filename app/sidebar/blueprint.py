"""The sidebar API's blueprint: every route of it is for a signed-in guide, and no answer is kept by a cache."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from . import auth

api = APIBlueprint("sidebar_api", __name__, url_prefix="/api/sidebar/v1", tag="Sidebar")


@api.before_request
def _guard() -> None:
    auth.require()


@api.after_request
def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-store"
    return response
