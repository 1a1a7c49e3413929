"""The five audiences' blueprints, registered in one place. They never import each other."""

from __future__ import annotations

from apiflask import APIFlask

from . import admin, hooks, miniapp, pos, sidebar, status


def register(app: APIFlask) -> None:
    """Put every audience on the application."""
    for audience in (hooks, miniapp, sidebar, admin, pos, status):
        for blueprint in audience.blueprints():
            app.register_blueprint(blueprint)
