"""Answers that are files."""

from __future__ import annotations

from flask import Response


def sheet(text: str, filename: str) -> Response:
    """A CSV made by `core.sheets`, to be kept under a name."""
    response = Response(text, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
