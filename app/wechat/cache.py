"""Short-lived values shared by all processes through Redis: tokens, locks, pauses.

Redis holds no truth. When it was emptied the values are fetched again; when it does not answer, each process keeps its
own copy in memory, and asks Redis again a few seconds later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

_PREFIX = "siyu:wechat:"
_RETRY_REDIS_AFTER = 5.0  # seconds without Redis after it failed, so that every call does not wait for a time-out
_DELETE_IF = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class SharedCache:
    """Strings under keys, with an expiry in seconds."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._local: dict[str, tuple[str, float]] = {}
        self._mutex = threading.Lock()
        self._down_until = 0.0

    def get(self, key: str) -> str | None:
        if self._redis_usable():
            try:
                value = self._redis.get(_PREFIX + key)
                return value.decode() if isinstance(value, bytes) else value
            except RedisError as error:
                self._went_down(error)
        with self._mutex:
            return self._local_get(key)

    def set(self, key: str, value: str, ttl: float) -> None:
        if self._redis_usable():
            try:
                self._redis.set(_PREFIX + key, value, px=_milliseconds(ttl))
                return
            except RedisError as error:
                self._went_down(error)
        with self._mutex:
            self._local[key] = (value, time.monotonic() + ttl)

    def add(self, key: str, value: str, ttl: float) -> bool:
        """Set the key unless it exists; whether it was set."""
        if self._redis_usable():
            try:
                return bool(self._redis.set(_PREFIX + key, value, px=_milliseconds(ttl), nx=True))
            except RedisError as error:
                self._went_down(error)
        with self._mutex:
            if self._local_get(key) is not None:
                return False
            self._local[key] = (value, time.monotonic() + ttl)
            return True

    def delete_if(self, key: str, value: str) -> bool:
        """Delete the key if it still holds `value`; whether it did."""
        if self._redis_usable():
            try:
                return bool(self._redis.eval(_DELETE_IF, 1, _PREFIX + key, value))
            except RedisError as error:
                self._went_down(error)
        with self._mutex:
            held = self._local_get(key) == value
            if held:
                del self._local[key]
            return held

    def script(self, source: str, keys: Sequence[str], arguments: Sequence[str | int | float]) -> list[int] | None:
        """Run a Lua script that answers whole numbers, all at once for every process; None without Redis."""
        if self._redis_usable():
            try:
                answer = self._redis.eval(source, len(keys), *(_PREFIX + key for key in keys), *arguments)
                return [int(one) for one in answer]
            except RedisError as error:
                self._went_down(error)
        return None

    def _local_get(self, key: str) -> str | None:
        value, expires = self._local.get(key, ("", 0.0))
        if expires > time.monotonic():
            return value
        self._local.pop(key, None)
        return None

    def _redis_usable(self) -> bool:
        return time.monotonic() >= self._down_until

    def _went_down(self, error: RedisError) -> None:
        self._down_until = time.monotonic() + _RETRY_REDIS_AFTER
        log.warning("wechat_cache_without_redis", error=type(error).__name__)


def _milliseconds(ttl: float) -> int:
    return max(1, int(ttl * 1000))
