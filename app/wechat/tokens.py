"""The token broker: access tokens and JS-SDK tickets, shared by all processes.

One cached value per credential, one refresher at a time, renewed a little before its end while the others go on with
the present value. A value that Tencent refuses is dropped only if it is still the cached one, so that two processes
that fail together do not throw away each other's fresh token. A wrong secret is tried at most once a minute, because
repeated wrong secrets ban the server's address for an hour (45009).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from app.core import clock

from .cache import SharedCache
from .errors import Misconfigured, Throttled, Unavailable

log = structlog.get_logger(__name__)
ALARMS = Counter("siyu_wechat_alarms_total", "Credentials that stopped working; a person has to act.", ["reason"])

STOP_SECONDS = 60
_EARLY = 300  # seconds before the end at which renewal begins, or a tenth of the life when that is shorter
_LOCK_SECONDS = 15.0  # longer than one call can take
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Grant:
    """A value and the seconds it lives."""

    value: str
    expires_in: float


@dataclass(frozen=True)
class _Held:
    raw: str
    value: str
    expires_at: float
    renew_at: float


class Broker:
    def __init__(self, cache: SharedCache, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._cache = cache
        self._sleep = sleep

    def get(self, credential: str, fetch: Callable[[], Grant]) -> str:
        """The value of `credential`, from the cache or by `fetch`; `Misconfigured` while it is stopped."""
        held = self._held(credential)
        if held and clock.now().timestamp() < held.renew_at:
            return held.value
        owner = secrets.token_hex(8)
        lock = f"lock:{credential}"
        deadline = time.monotonic() + _LOCK_SECONDS
        while not self._cache.add(lock, owner, _LOCK_SECONDS):
            if held:
                return held.value  # another process renews it; the present one is still good
            if time.monotonic() > deadline:
                raise Unavailable("Another process does not finish fetching the token.", retry_after=5)
            self._sleep(_POLL_SECONDS)
            held = self._held(credential)
            if held:
                return held.value
        try:
            # Whoever held the lock before us may have just stored a fresh one.
            held = self._held(credential)
            if held and clock.now().timestamp() < held.renew_at:
                return held.value
            return self._fetch(credential, fetch, held)
        finally:
            self._cache.delete_if(lock, owner)

    def discard(self, credential: str, value: str) -> None:
        """Drop the cached value if it is still `value`, the one that was refused."""
        held = self._held(credential)
        if held and held.value == value:
            self._cache.delete_if(f"token:{credential}", held.raw)

    def stop(self, credential: str, error: Misconfigured) -> None:
        """Make no further call with this credential for a minute, and raise the alarm."""
        entry = json.dumps({"errcode": error.errcode, "reason": error.reason})
        if self._cache.add(f"stop:{credential}", entry, STOP_SECONDS):
            ALARMS.labels(error.reason).inc()
            log.critical("wechat_credential_stopped", account=_account(credential), reason=error.reason)

    def check(self, credential: str) -> None:
        """Raise `Misconfigured` while the credential is stopped."""
        entry = self._cache.get(f"stop:{credential}")
        if entry:
            raise Misconfigured("Stopped after Tencent refused the credentials.", **json.loads(entry))

    def _fetch(self, credential: str, fetch: Callable[[], Grant], held: _Held | None) -> str:
        self.check(credential)
        try:
            grant = fetch()
        except Misconfigured as error:
            self.stop(credential, error)
            raise
        except (Unavailable, Throttled):
            if held:
                return held.value
            raise
        self._store(credential, grant)
        log.info("wechat_token_fetched", account=_account(credential), expires_in=grant.expires_in)
        return grant.value

    def _store(self, credential: str, grant: Grant) -> None:
        now = clock.now().timestamp()
        life = max(1.0, grant.expires_in)
        entry = {"value": grant.value, "expires_at": now + life, "renew_at": now + life - min(_EARLY, life / 10)}
        self._cache.set(f"token:{credential}", json.dumps(entry), life)

    def _held(self, credential: str) -> _Held | None:
        raw = self._cache.get(f"token:{credential}")
        if not raw:
            return None
        entry = json.loads(raw)
        if clock.now().timestamp() >= entry["expires_at"]:
            return None
        return _Held(raw, entry["value"], entry["expires_at"], entry["renew_at"])


def derived(credential: str, kind: str) -> str:
    """The key of something obtained with a credential's token, such as a JS-SDK ticket."""
    return f"{kind}:{credential}"


def _account(credential: str) -> str:
    return credential.rsplit(":", 1)[0]
