"""The one place where bytes go to WeChat Pay and come back.

As with the rest of Tencent: never inside a database transaction, with a time-out, and nothing of what was sent in a log
line or an error (paths hold openids, so they are named by their pattern). Every write carries a request number under
which WeChat Pay does a thing once, so every call may be repeated, also after an answer that was lost.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode

import requests
import structlog
from requests.adapters import HTTPAdapter

from app.core import clock, transaction
from app.core.errors import ProgrammingError, SiyuError

from ..errors import CallbackMalformed, Misconfigured, Rejected, Throttled, Unavailable
from ..transport import CALLS, SECONDS
from .account import PayAccount
from .signing import Signed, authorization, json_object, verify

log = structlog.get_logger(__name__)

TRIES = 3
BUDGET = 20.0  # seconds for all tries together
REST = 10.0  # seconds after too many calls; the limits are per second
_BACK_OFF = (0.2, 0.6)
_TIMEOUT = (3.05, 8.0)
# Ours to put right: a wrong key or certificate, a permission or a binding that is missing.
_OURS = frozenset({"SIGN_ERROR", "NO_AUTH", "MCH_NOT_EXISTS", "APPID_MCHID_NOT_MATCH", "NOT_BIND"})
_TOO_MANY = frozenset({"RATELIMIT_EXCEEDED", "RATE_LIMITED", "FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED"})
_LATER = frozenset({"SYSTEM_ERROR", "SYSTEMERROR", "BANK_ERROR"})

Method = Literal["GET", "POST"]


class PayWire:
    """What all accounts of a process share: the pool of connections."""

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.sleep = sleep
        self.session = requests.Session()
        self.session.trust_env = False
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=16, max_retries=0)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)


class PayClient:
    """Calls in the name of one account. `api` is a path's pattern, `/users/{openid}/coupons`, `into` what fills it."""

    def __init__(self, account: PayAccount, wire: PayWire) -> None:
        self.account, self._wire = account, wire

    def get(self, api: str, into: Mapping[str, str], query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._send("GET", api, into, query=query)

    def post(self, api: str, into: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        return self._send("POST", api, into, body=json.dumps(body, ensure_ascii=False).encode())

    def _send(
        self,
        method: Method,
        api: str,
        into: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> dict[str, Any]:
        if transaction.is_open():
            raise ProgrammingError(f"{api} was called inside a transaction")
        target = api.format(**{name: quote(value, safe="") for name, value in into.items()})
        target += f"?{urlencode(query)}" if query else ""
        deadline = time.monotonic() + BUDGET
        for attempt in range(TRIES):
            try:
                answer = self._once(method, api, target, body, max(0.5, deadline - time.monotonic()))
            except Unavailable as error:
                _count(api, "unavailable")
                pause = _BACK_OFF[attempt] * random.uniform(1, 1.5) if attempt + 1 < TRIES else 0.0
                if not pause or time.monotonic() + pause >= deadline:
                    raise
                log.info("wxpay_call_repeated", api=api, error=error.message)
                self._wire.sleep(pause)
            except SiyuError as error:
                _count(api, error.code.removeprefix("wechat_"))
                raise
            else:
                _count(api, "ok")
                return answer
        raise AssertionError("unreachable")

    def _once(self, method: Method, api: str, target: str, body: bytes, seconds: float) -> dict[str, Any]:
        account = self.account
        headers = {
            "Accept": "application/json",
            "User-Agent": "siyu",
            "Wechatpay-Serial": account.platform_serial,
            "Authorization": authorization(
                account, method=method, target=target, body=body, at=clock.now(), nonce=secrets.token_hex(16)
            ),
        } | ({"Content-Type": "application/json"} if body else {})
        # The library's exceptions quote the URL and with it an openid; they end here, and nothing chains them.
        lost: Unavailable | None = None
        with SECONDS.labels("wxpay", api).time():
            try:
                response = self._wire.session.request(
                    method,
                    account.api_base + target,
                    data=body or None,
                    headers=headers,
                    timeout=(min(_TIMEOUT[0], seconds), min(_TIMEOUT[1], seconds)),
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                lost = Unavailable(f"{api}: {type(error).__name__}", api=api)
        if lost is not None:
            raise lost
        if 200 <= response.status_code < 300:
            return self._believed(api, response)
        raise _refusal(api, response)

    def _believed(self, api: str, response: requests.Response) -> dict[str, Any]:
        """What an answer holds, once its signature is WeChat Pay's."""
        try:
            verify(self.account, Signed.of(response.headers), response.content, at=clock.now())
            return json_object(response.content) if response.content else {}
        except CallbackMalformed:
            raise Unavailable(f"{api}: the answer is not JSON", api=api) from None
        except SiyuError as error:
            # Not WeChat Pay's, or signed with a key that we were not told of: nobody believes it, somebody must look.
            log.error("wxpay_answer_not_believed", api=api, why=error.code)
            raise Misconfigured(f"{api}: {error.code}", reason="answer_signature", api=api) from None


def _refusal(api: str, response: requests.Response) -> SiyuError:
    """The error behind a refusal. Nobody above sees WeChat Pay's own words: they are logged."""
    status = response.status_code
    try:
        told = json_object(response.content)
    except CallbackMalformed:
        told = {}
    code = told.get("code") if isinstance(told.get("code"), str) else ""
    code = str(code)[:64]
    log.warning("wxpay_refused", api=api, status=status, errcode=code, request=response.headers.get("Request-ID", ""))
    message = f"{api}: HTTP {status} {code}".rstrip()
    if status == 429 or code in _TOO_MANY:
        return Throttled(message, until=clock.now() + timedelta(seconds=REST), retry_after=REST, api=api)
    if status >= 500 or code in _LATER:
        return Unavailable(message, retry_after=2, api=api)
    if status == 401 or code in _OURS:
        return Misconfigured(message, errcode=status, reason=(code or "sign_error").lower(), api=api)
    if not code:
        return Misconfigured(message, errcode=status, reason="base_url", api=api)
    return Rejected(message, errcode=status, reason=code.lower(), api=api)


def _count(api: str, outcome: str) -> None:
    CALLS.labels("wxpay", api, outcome).inc()
