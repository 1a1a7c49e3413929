"""After a used-up quota, one API of one account rests until its window ends.

Tencent bans for as long as the window that was hit (minute: 60 s, hour: 60 min, day: the rest of the day), but the
errcode does not say which one it was. So the first pause is a minute, and a quota that is hit again right after a pause
climbs to the hour and then to the end of the day in China.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from app.core import clock

from .cache import SharedCache
from .errors import Throttled

_CHINA = timezone(timedelta(hours=8))
_MINUTE, _HOUR, _DAY = range(3)
_DAILY = {"daily_limit"}
_PER_USER = {"user_minute_limit"}  # one shopper tapping too fast must not close the door to the others


class Pauses:
    def __init__(self, cache: SharedCache) -> None:
        self._cache = cache

    def check(self, account: str, api: str) -> None:
        """Raise `Throttled` while the API rests."""
        stored = self._cache.get(f"pause:{account}:{api}")
        if stored:
            until = datetime.fromisoformat(stored)
            if until > clock.now():
                raise self._throttled(api, until)

    def start(self, account: str, api: str, *, reason: str) -> Throttled:
        """Begin a pause; the error to raise."""
        now = clock.now()
        if reason in _PER_USER:
            return self._throttled(api, _end(now, _MINUTE))
        level_key = f"pause-level:{account}:{api}"
        level = _DAY if reason in _DAILY else int(self._cache.get(level_key) or _MINUTE)
        until = _end(now, level)
        seconds = (until - now).total_seconds()
        self._cache.set(f"pause:{account}:{api}", until.isoformat(), seconds)
        self._cache.set(level_key, str(min(level + 1, _DAY)), seconds + 60)
        return self._throttled(api, until)

    @staticmethod
    def _throttled(api: str, until: datetime) -> Throttled:
        seconds = max(1.0, (until - clock.now()).total_seconds())
        return Throttled(until=until, retry_after=seconds, api=api)


def _end(now: datetime, level: int) -> datetime:
    if level == _DAY:
        local = now.astimezone(_CHINA)
        tomorrow = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return tomorrow.astimezone(now.tzinfo)
    return now + timedelta(seconds=60 if level == _MINUTE else 3600)
