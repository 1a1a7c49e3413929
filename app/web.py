"""The application that answers requests and has the command line."""

from __future__ import annotations

from apiflask import APIFlask
from werkzeug.middleware.proxy_fix import ProxyFix

from . import cli
from .audiences import SECURITY_SCHEMES, register
from .core import http
from .plumbing import equip
from .settings import Settings


def create_app(settings: Settings | None = None) -> APIFlask:
    """Plumbing, audiences, command line."""
    app = APIFlask("app", title="Siyu", version="1.0.0", spec_path="/openapi.json", docs_path="/docs")
    equip(app, settings)
    app.config["OPENAPI_VERSION"] = "3.1.0"
    app.security_schemes = SECURITY_SCHEMES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    proxies = app.extensions["siyu"].trusted_proxies
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    http.init_app(app)
    register(app)
    cli.register(app)
    return app
