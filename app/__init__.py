"""Siyu: the open backend of a retail brand's private domain on WeCom and WeChat."""

from __future__ import annotations

from apiflask import APIFlask
from werkzeug.middleware.proxy_fix import ProxyFix

from . import cli
from . import settings as settings_module
from .audiences import SECURITY_SCHEMES, register
from .core import crypto, hot, http, log, redis, tokens
from .core.db import db
from .flows import accounts, subscriptions
from .settings import Settings


def create_app(settings: Settings | None = None) -> APIFlask:
    """The one composition root: settings, plumbing, wiring table, audiences, command line."""
    settings = settings or settings_module.load()
    log.configure(settings.log_level)
    crypto.configure(settings.keyring)
    tokens.configure(settings.secret_key)
    redis.configure(settings.redis_url)
    accounts.configure(settings, redis.connection())
    hot.configure(settings.database_url, settings.hot_pool_size)

    app = APIFlask(
        __name__, title="Siyu", version="1.0.0", spec_path="/openapi.json", docs_path="/docs", static_folder="static"
    )
    # No SECRET_KEY: tokens are our own, and without one Flask opens no session of its own for each request.
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.sqlalchemy_url,
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": 5,
            "max_overflow": 5,
            "pool_pre_ping": True,
            "pool_recycle": 1800,
            "hide_parameters": True,  # an error that quotes them would write names and phones into the log
        },
        OPENAPI_VERSION="3.1.0",
    )
    app.security_schemes = SECURITY_SCHEMES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions["siyu"] = settings
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies
        )
    db.init_app(app)
    http.init_app(app)
    subscriptions.wire()
    register(app)
    cli.register(app)
    return app
