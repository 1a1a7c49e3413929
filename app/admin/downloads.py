"""Answers that are files."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, stream_with_context


def sheet(text: str, filename: str) -> Response:
    """A CSV made by `core.sheets`, to be kept under a name."""
    response = Response(text, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def streamed(pieces: Iterator[str], filename: str) -> Response:
    """A CSV that is sent while it is made; its name may be in any script."""
    response = Response(stream_with_context(pieces), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    return response
