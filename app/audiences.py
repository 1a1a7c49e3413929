"""The five audiences' blueprints, registered in one place. They never import each other."""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask

from . import admin, hooks, miniapp, pos, sidebar, status

# How each audience proves who it is, as the OpenAPI document says it.
SECURITY_SCHEMES: dict[str, Any] = {
    "MiniappToken": {"type": "http", "scheme": "bearer", "description": "From POST /api/miniapp/v1/login."},
    "SidebarCookie": {"type": "apiKey", "in": "cookie", "name": "siyu_sidebar", "description": "Set by /sidebar/."},
    "AdminToken": {"type": "http", "scheme": "bearer", "description": "From POST /api/admin/v1/login."},
    "SiyuKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Siyu-Key",
        "description": "With X-Siyu-Timestamp and X-Siyu-Signature: hex HMAC-SHA256 with the key's secret over method, "
        "path with query, timestamp, Idempotency-Key or nothing, and hex SHA-256 of the body, joined by line feeds.",
    },
}


def _schema_name(schema: Any) -> str:
    """The name of a schema in the OpenAPI document: audiences may each have a `MemberOut` of their own."""
    kind = schema if isinstance(schema, type) else type(schema)
    parts = kind.__module__.split(".")
    return (parts[1].capitalize() if len(parts) > 2 else "") + kind.__name__


def register(app: APIFlask) -> None:
    """Put every audience on the application."""
    app.schema_name_resolver = _schema_name
    for audience in (hooks, miniapp, sidebar, admin, pos, status):
        for blueprint in audience.blueprints():
            app.register_blueprint(blueprint)
