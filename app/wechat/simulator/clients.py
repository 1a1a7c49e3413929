"""The product's public HTTP APIs as a shopper's phone calls them. Everything a scenario says to the product is here."""

from __future__ import annotations

import threading
from typing import Any

import requests

TIMEOUT = 15


class ProductError(Exception):
    """The product answered an error, or did not answer."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code
        super().__init__(f"{status} {code}")


class Product:
    """One base URL, a keep-alive connection per thread."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._local = threading.local()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> dict[str, Any]:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        try:
            answer = session.request(method, self.base_url + path, json=body, data=data, headers=sent, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise ProductError(0, "unreachable") from error
        try:
            value = answer.json() if answer.content else {}
        except ValueError as error:
            raise ProductError(answer.status_code, "not_json") from error
        if not answer.ok:
            raise ProductError(answer.status_code, str(value.get("code", "error")))
        return value


class Shopper:
    """One shopper's mini-program."""

    def __init__(self, product: Product, appid: str) -> None:
        self.product, self.appid = product, appid
        self.token: str | None = None

    def login(self, code: str) -> dict[str, Any]:
        answer = self._call("POST", "login", {"appid": self.appid, "code": code})
        self.token = answer["token"]
        return answer

    def bind_phone(self, code: str) -> dict[str, Any]:
        return self._call("POST", "phone", {"code": code})

    def me(self) -> dict[str, Any]:
        return self._call("GET", "me")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self.product.call(method, f"/api/miniapp/v1/{path}", token=self.token, body=body)
