"""The application of workers, relay and schedule: the plumbing, and nothing that speaks HTTP."""

from __future__ import annotations

from flask import Flask

from .plumbing import equip
from .settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Plumbing only."""
    app = Flask("app")
    equip(app, settings)
    return app
