"""The product's public HTTP APIs as a shopper's phone and a till call them: all a scenario says to the product."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
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

    def campaigns(self) -> list[str]:
        """The ids of the campaigns in the claim centre that this shopper may claim now."""
        return [row["id"] for row in self._call("GET", "campaigns")["items"] if row["claimable"]]

    def claim(self, campaign: str) -> dict[str, Any]:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._call("POST", f"campaigns/{campaign}/claim", {}, headers)

    def coupons(self) -> list[str]:
        """The ids of the coupons that may be used now."""
        return [row["id"] for row in self._call("GET", "coupons?status=usable")["items"]]

    def show(self, coupon: str) -> str:
        """The rotating code that the till reads."""
        return str(self._call("GET", f"coupons/{coupon}/code")["code"])

    def me(self) -> dict[str, Any]:
        return self._call("GET", "me")

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        return self.product.call(method, f"/api/miniapp/v1/{path}", token=self.token, body=body, headers=headers)


@dataclass
class TillAccess:
    """What a till needs: its API key, the code of each store by WeCom department, and what it sells.

    `products` are [sku, name, category, unit price in fen].
    """

    key_id: str
    secret: str = field(repr=False)
    stores: dict[str, str]
    products: list[tuple[str, str, str, int]]


class Till:
    """One store's till: requests are signed over method, path, timestamp, Idempotency-Key and the body's hash."""

    def __init__(self, product: Product, access: TillAccess) -> None:
        self.product, self.access = product, access

    def redeem(self, *, code: str, order_no: str, store: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
        names = ("line_no", "sku", "category", "quantity", "amount_fen")
        basket = [{name: line[name] for name in names} for line in lines]
        body = {"code": code, "order_no": order_no, "store": store, "lines": basket}
        return self._post("/api/pos/v1/redemptions", f"redeem-{order_no}", body)

    def order(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._post("/api/pos/v1/orders", f"order-{body['order_no']}", body)

    def _post(self, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        data, timestamp = json.dumps(body, ensure_ascii=False).encode(), str(int(time.time()))
        text = f"POST\n{path}\n{timestamp}\n{key}\n{hashlib.sha256(data).hexdigest()}"
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "X-Siyu-Key": self.access.key_id,
            "X-Siyu-Timestamp": timestamp,
            "X-Siyu-Signature": hmac.new(self.access.secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        }
        return self.product.call("POST", path, data=data, headers=headers)
