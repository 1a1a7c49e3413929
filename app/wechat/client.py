"""Calls in the name of one account: adds its access token, and repeats once with a fresh one when it is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from redis import Redis

from .accounts import MiniProgram, WeComApp
from .cache import SharedCache
from .errcodes import Platform
from .errors import Misconfigured, TokenRefused, Unavailable, UnknownOutcome
from .governor import Governor
from .pauses import Pauses
from .tokens import Broker, Grant
from .transport import Call, Transport

# Any call that says so proves the credential itself wrong (WeCom global errcodes).
_STOPPING = {40001, 40013, 40091}


class Wire:
    """What all gateways of a process share: one connection pool, one token broker."""

    def __init__(self, redis: Redis, *, proxy: str | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        cache = SharedCache(redis)
        self.transport = Transport(Pauses(cache), Governor(cache), proxy=proxy, sleep=sleep)
        self.tokens = Broker(cache)


class Client:
    """One account's API. Paths are Tencent's, with the leading slash."""

    platform: Platform

    def __init__(self, app: WeComApp | MiniProgram, wire: Wire) -> None:
        self._app = app
        self.wire = wire

    def get(self, path: str, **params: str) -> dict[str, Any]:
        return self._send(path, params=params, repeatable=True)

    def redeem(self, path: str, **params: str) -> dict[str, Any]:
        """A GET that uses up a code, so never repeated; a lost answer costs the user one more tap."""
        try:
            return self._send(path, params=params)
        except UnknownOutcome as error:
            raise Unavailable(error.message, api=path) from None

    def post(
        self, path: str, body: dict[str, Any], *, repeatable: bool = False, budget: float = 30.0
    ) -> dict[str, Any]:
        return self._send(path, body=body, repeatable=repeatable, budget=budget)

    def post_for_bytes(self, path: str, body: dict[str, Any]) -> bytes:
        reply = self._send(path, body=body, repeatable=True, binary=True)
        if not isinstance(reply, bytes):
            raise Unavailable(f"{path}: bytes were expected", api=path)
        return reply

    def upload(self, path: str, *, files: dict[str, tuple[str, bytes, str]], **params: str) -> dict[str, Any]:
        return self._send(path, params=params, files=files, repeatable=True)

    def fetch_token(self) -> Grant:
        raise NotImplementedError

    def _send(self, path: str, *, params: dict[str, str] | None = None, **call: Any) -> Any:
        tokens = self.wire.tokens
        credential = self._app.credential
        for last in (False, True):
            token = tokens.get(credential, self.fetch_token)
            try:
                return self.wire.transport.send(self.call(path, {**(params or {}), "access_token": token}, **call))
            except TokenRefused as error:
                tokens.discard(credential, token)
                if last:
                    raise Unavailable(f"{error.message}, also after a refresh", retry_after=60, api=path) from None
            except Misconfigured as error:
                if self.platform == "wecom" and error.errcode in _STOPPING:
                    tokens.stop(credential, error)
                    tokens.discard(credential, token)
                raise
        raise AssertionError("unreachable")

    def call(self, path: str, params: dict[str, str], **call: Any) -> Call:
        return Call(self.platform, self._app.account, self._app.api_base, path, params, **call)


class WeComClient(Client):
    platform: Platform = "wecom"

    def __init__(self, app: WeComApp, wire: Wire) -> None:
        super().__init__(app, wire)
        self.app = app

    def fetch_token(self) -> Grant:
        params = {"corpid": self.app.corp_id, "corpsecret": self.app.secret}
        return grant(self.wire.transport.send(self.call("/cgi-bin/gettoken", params, repeatable=True)))


class WeixinClient(Client):
    platform: Platform = "weixin"

    def __init__(self, app: MiniProgram, wire: Wire) -> None:
        super().__init__(app, wire)
        self.app = app

    def fetch_token(self) -> Grant:
        # stable_token answers the same token while it lives; /cgi-bin/token would end the one others are using.
        body = {"grant_type": "client_credential", "appid": self.app.appid, "secret": self.app.secret}
        try:
            return grant(self.wire.transport.send(self.call("/cgi-bin/stable_token", {}, body=body, repeatable=True)))
        except TokenRefused as error:  # 40001 means a stale token elsewhere, and a wrong secret here
            raise Misconfigured(error.message, errcode=40001, reason="secret_wrong") from None


def grant(reply: dict[str, Any], key: str = "access_token") -> Grant:
    """The token or ticket of a reply, with its life in seconds."""
    value, life = reply.get(key), reply.get("expires_in", 7200)
    if not isinstance(value, str) or not value or not isinstance(life, int | float):
        raise Unavailable(f"The answer holds no {key}.")
    return Grant(value, float(life))
