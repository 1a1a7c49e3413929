"""Keeps our calls under Tencent's published quotas, counted for all processes together in Redis.

Who would go over is told when to come back (`Throttled`), before Tencent bans the API for the rest of the window. The
count slides: what the last window used weighs by the part of it that is still within one window's length, as Tencent's
windows begin at other seconds than ours. Calls side by side are leases; who finds none free waits a moment
(`Unavailable`). Redis emptied only loses the count: then Tencent's own answer (45009) still pauses the API.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from app.core import clock

from .cache import SharedCache
from .errcodes import Platform
from .errors import Throttled, Unavailable
from .limits import Quota, quota

_LEASE_MS = 60_000  # longer than any call's budget: what a killed process held comes free by itself
_CHINA_MS = 8 * 3_600_000

# KEYS: leases, then (last, present) counter of each window. ARGV: now ms, leases allowed, lease id, lease ms, then
# (limit, window ms) of each. Answers {0} and counts the call, {1, ms to wait} over a window, {2} none free.
_ADMIT = """
local now, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = 0
for i = 0, (#KEYS - 1) / 2 - 1 do
  local limit, window = tonumber(ARGV[5 + i * 2]), tonumber(ARGV[6 + i * 2])
  local last = tonumber(redis.call('get', KEYS[2 + i * 2]) or '0')
  local present = tonumber(redis.call('get', KEYS[3 + i * 2]) or '0')
  local gone = now % window
  if present >= limit then
    wait = math.max(wait, window - gone)
  elseif present + last * (window - gone) / window >= limit then
    wait = math.max(wait, 1, window - gone - (limit - present) / last * window)
  end
end
if wait > 0 then return {1, math.ceil(wait) + 1} end
if most > 0 then
  redis.call('zremrangebyscore', KEYS[1], '-inf', now)
  if redis.call('zcard', KEYS[1]) >= most then return {2} end
  redis.call('zadd', KEYS[1], now + tonumber(ARGV[4]), ARGV[3])
  redis.call('pexpire', KEYS[1], ARGV[4])
end
for i = 0, (#KEYS - 1) / 2 - 1 do
  if redis.call('incr', KEYS[3 + i * 2]) == 1 then
    redis.call('pexpire', KEYS[3 + i * 2], tonumber(ARGV[6 + i * 2]) * 2)
  end
end
return {0}
"""
_RELEASE = "return {redis.call('zrem', KEYS[1], ARGV[1])}"


class Governor:
    def __init__(self, cache: SharedCache) -> None:
        self._cache = cache

    @contextmanager
    def admitted(self, platform: Platform, account: str, api: str) -> Iterator[None]:
        """Run one call within the quota; raises `Throttled` (when to come back) or `Unavailable` (too many at once)."""
        allowed = quota(platform, api)
        lease = secrets.token_hex(8)
        leases = f"at-once:{account}:{api}"
        if allowed != Quota():
            self._admit(allowed, account, api, leases, lease)
        try:
            yield
        finally:
            if allowed.at_once:
                self._cache.script(_RELEASE, [leases], [lease])

    def _admit(self, allowed: Quota, account: str, api: str, leases: str, lease: str) -> None:
        now = clock.now()
        moment = int(now.timestamp() * 1000)
        keys = [leases]
        arguments: list[str | int | float] = [moment, allowed.at_once or 0, lease, _LEASE_MS]
        for limit, window, shift in (
            (allowed.a_minute, 60_000, 0),
            (allowed.an_hour, 3_600_000, 0),
            (allowed.a_day, 86_400_000, _CHINA_MS),
        ):
            if limit is not None:
                present = (moment + shift) // window
                keys += [f"calls:{account}:{api}:{window}:{one}" for one in (present - 1, present)]
                arguments += [limit, window]
        answer = self._cache.script(_ADMIT, keys, arguments) or [0]
        if answer[0] == 1:
            wait = timedelta(milliseconds=answer[1])
            raise Throttled(until=now + wait, retry_after=wait.total_seconds(), api=api)
        if answer[0] == 2:
            raise Unavailable(f"{api}: {allowed.at_once} calls are under way", retry_after=1, api=api)
