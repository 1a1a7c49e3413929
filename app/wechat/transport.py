"""The one place where bytes go to Tencent and come back.

- refuses to work inside a database transaction;
- looks at errcode before anything else: an error body may carry an empty list under the usual key;
- repeats a call only when repeating is harmless (`repeatable=True`: reads, and writes that end in the same state);
  a call that is not, and whose answer was lost, ends as `UnknownOutcome`;
- stays under the published quotas (see `governor`), and rests an API whose quota was hit all the same (`pauses`);
- lets no token, secret or code into a log line, an error or a traceback.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
import structlog
from prometheus_client import Counter, Histogram
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from app.core import transaction
from app.core.errors import ProgrammingError, SiyuError

from .errcodes import Platform, classify
from .errors import Misconfigured, Rejected, TokenRefused, Unavailable, UnknownOutcome
from .governor import Governor
from .pauses import Pauses

log = structlog.get_logger(__name__)
# At DEBUG urllib3 writes every path with its query, and ours carry tokens and secrets.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

CALLS = Counter("siyu_wechat_calls_total", "Calls to Tencent by outcome.", ["platform", "api", "outcome"])
SECONDS = Histogram("siyu_wechat_call_seconds", "Time of one call to Tencent.", ["platform", "api"])

TRIES = 3
_BACK_OFF = (0.2, 0.6)  # seconds before the second and third try, each with jitter up to its half
_SECRETS = re.compile(
    r"(\b(?:access_token|corpsecret|secret|js_code|code|ticket|session_key|welcome_code|user_ticket)[\"']?\s*[=:]\s*[\"']?)"
    r"[^&\s\"',}\]]+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Call:
    """One call. `path` is the API's name in metrics and pauses; `params` may hold secrets and are never logged."""

    platform: Platform
    account: str
    base: str
    path: str
    params: dict[str, str] = field(default_factory=dict, repr=False)
    body: dict[str, Any] | None = field(default=None, repr=False)
    files: dict[str, tuple[str, bytes, str]] | None = field(default=None, repr=False)
    repeatable: bool = False
    binary: bool = False
    budget: float = 30.0  # seconds for all tries together

    @property
    def method(self) -> str:
        return "GET" if self.body is None and self.files is None else "POST"


def scrub(text: str) -> str:
    """`text` without the values of tokens, secrets and codes, at most 300 characters."""
    return _SECRETS.sub(r"\1***", text)[:300]


class Transport:
    """Thread-safe; one per process. Times in seconds."""

    def __init__(
        self,
        pauses: Pauses,
        governor: Governor,
        *,
        connect_timeout: float = 3.05,
        read_timeout: float = 8.0,
        proxy: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pauses = pauses
        self._governor = governor
        self._timeout = (connect_timeout, read_timeout)
        self._sleep = sleep
        self._session = requests.Session()
        # A fixed exit address (WeCom's trusted IP) is set on purpose, never picked up from HTTP_PROXY or .netrc.
        self._session.trust_env = False
        if proxy:
            self._session.proxies = {"http": proxy, "https": proxy}
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=32, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def send(self, call: Call) -> Any:
        """The reply: a dict, or bytes for a `binary` call that succeeded."""
        if transaction.is_open():
            raise ProgrammingError(f"{call.path} was called inside a transaction")
        deadline = time.monotonic() + call.budget
        for attempt in range(TRIES if call.repeatable else 1):
            try:
                self._pauses.check(call.account, call.path)
                with self._governor.admitted(call.platform, call.account, call.path):
                    reply = self._once(call, deadline)
            except Unavailable as error:
                _count(call, "unavailable")
                if not call.repeatable or attempt + 1 == TRIES:
                    raise
                pause = _BACK_OFF[attempt] * random.uniform(1, 1.5)
                if time.monotonic() + pause >= deadline:
                    raise
                log.info("wechat_call_repeated", api=call.path, account=call.account, error=error.message)
                self._sleep(pause)
            except SiyuError as error:
                _count(call, error.code.removeprefix("wechat_"))
                raise
            else:
                _count(call, "ok")
                return reply
        raise AssertionError("unreachable")

    def _once(self, call: Call, deadline: float) -> Any:
        response, lost = self._exchange(call, max(0.5, deadline - time.monotonic()))
        if response is None:
            raise lost
        if response.status_code == 429:
            raise Unavailable(f"{call.path}: HTTP 429", retry_after=5, api=call.path)
        if response.status_code >= 500:
            raise _lost(call, f"{call.path}: HTTP {response.status_code}")
        if response.status_code != 200:
            raise Misconfigured(
                f"{call.path}: HTTP {response.status_code}; is the base URL right?", reason="base_url", api=call.path
            )
        reply = _decoded(response.content)
        if reply is None:
            if call.binary:
                return response.content
            raise _lost(call, f"{call.path}: the answer is not JSON")
        self._check(call, reply)
        return reply

    def _exchange(self, call: Call, seconds: float) -> tuple[requests.Response | None, SiyuError]:
        # The library's exceptions quote the whole URL; they are dropped here so that no traceback chains them.
        data = None if call.body is None else json.dumps(call.body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"} if data is not None else {}
        with SECONDS.labels(call.platform, call.path).time():
            try:
                response = self._session.request(
                    call.method,
                    call.base + call.path,
                    params=call.params,
                    data=data,
                    files=call.files,
                    headers=headers,
                    timeout=(min(self._timeout[0], seconds), min(self._timeout[1], seconds)),
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                name = f"{call.path}: {type(error).__name__}"
                return None, (Unavailable(name, api=call.path) if _never_sent(error) else _lost(call, name))
        return response, Unavailable()

    def _check(self, call: Call, reply: dict[str, Any]) -> None:
        errcode = _integer(reply.get("errcode", 0))  # jscode2session has no errcode on success
        if errcode == 0:
            return
        verdict = classify(call.platform, errcode)
        text = scrub(str(reply.get("errmsg", "")))
        message = f"{call.path}: errcode {errcode} ({verdict.reason})"
        log.warning("wechat_errcode", api=call.path, account=call.account, errcode=errcode, errmsg=text)
        match verdict.kind:
            case "transient":
                raise Unavailable(message, retry_after=2, api=call.path, reason=verdict.reason)
            case "token":
                raise TokenRefused(message, errcode=errcode, api=call.path)
            case "quota":
                raise self._pauses.start(call.account, call.path, reason=verdict.reason)
            case "config":
                raise Misconfigured(message, errcode=errcode, reason=verdict.reason, api=call.path)
            case "final":
                raise Rejected(message, errcode=errcode, reason=verdict.reason, api=call.path)


def _lost(call: Call, message: str) -> SiyuError:
    error = Unavailable if call.repeatable else UnknownOutcome
    return error(message, api=call.path)


def _never_sent(error: requests.RequestException) -> bool:
    """Whether the failure came before the request could have left: no connection, no name, no time to connect."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)


def _decoded(content: bytes) -> dict[str, Any] | None:
    if content[:1] not in (b"{", b" ", b"\n", b"\r", b"\t", b"\xef"):
        return None
    try:
        reply = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1  # an errcode that is no number is treated as the server being unwell


def _count(call: Call, outcome: str) -> None:
    CALLS.labels(call.platform, call.path, outcome).inc()
