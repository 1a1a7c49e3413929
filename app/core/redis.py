"""The process's Redis connection. Redis wakes workers and caches tokens; it holds no truth and may be emptied."""

from __future__ import annotations

import redis

from .errors import ProgrammingError

_client: redis.Redis | None = None


def configure(url: str) -> None:
    """Point the process at a Redis; called once by the composition root."""
    global _client
    _client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=30)


def connection() -> redis.Redis:
    if _client is None:
        raise ProgrammingError("redis is not configured")
    return _client
