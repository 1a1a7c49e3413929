"""What every process of the product has: settings, keys, database, Redis, accounts and the wiring table."""

from __future__ import annotations

from flask import Flask

from . import settings as settings_module
from .core import crypto, hot, log, redis, tokens
from .core.db import db
from .flows import accounts, coupon_limits, subscriptions
from .settings import Settings


def equip(app: Flask, settings: Settings | None = None) -> None:
    """Put the plumbing on an application; the settings are its extension `siyu`, read from the environment if None."""
    settings = settings or settings_module.load()
    log.configure(settings.log_level)
    crypto.configure(settings.keyring)
    tokens.configure(settings.secret_key)
    redis.configure(settings.redis_url)
    accounts.configure(settings, redis.connection())
    hot.configure(settings.database_url, settings.hot_pool_size)
    coupon_limits.configure(settings.claims_per_address)
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
    )
    app.extensions["siyu"] = settings
    db.init_app(app)
    subscriptions.wire()
