"""/healthz for whoever keeps the process alive, /metrics for whoever watches it."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .core import hot
from .flows import doctor
from .flows.sync import runs as sync_runs

bp = APIBlueprint("status", __name__, enable_openapi=False)


def blueprints() -> tuple[APIBlueprint, ...]:
    return (bp,)


@bp.get("/healthz")
def healthz() -> dict[str, str]:
    """Answers when the database does."""
    hot.fetch_one("SELECT 1", {})
    return {"status": "ok"}


@bp.get("/metrics")
def metrics() -> Response:
    """Counters of this process, and gauges of waiting work and of the last examination of the invariants."""
    doctor.export_gauges()
    sync_runs.export_gauges()
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
