"""The product with one more route: a shopper proves who they are and is told nothing. What any call costs at least."""

from __future__ import annotations

from flask import Response

from app.miniapp import auth
from wsgi import app


@app.get("/noop")
def noop() -> Response:
    auth.shopper()
    return Response("{}", mimetype="application/json")


__all__ = ["app"]
