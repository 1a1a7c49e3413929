"""Outside clients of a running instance. They share no code with the product: what they know is in instance.json."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

TIMEOUT = 15


def instance() -> dict[str, Any]:
    """var/instance.json of the running instance."""
    folder = Path(os.environ.get("SIYU_VAR") or Path(__file__).parent.parent.parent / "var")
    found: dict[str, Any] = json.loads((folder / "instance.json").read_text(encoding="utf-8"))
    return found


@dataclass
class Tencent:
    """WeCom's side: seals callbacks by itself, and makes things happen through the simulator's control API."""

    described: dict[str, Any]
    http: requests.Session = field(default_factory=requests.Session)

    def control(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        url = f"{self.described['control_url']}{path}"
        answer = self.http.request(method, url, json=body or None, timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def seal(
        self, plaintext: str, *, receiver: str | None = None, token: str | None = None
    ) -> tuple[dict[str, str], str]:
        """Query and XML body of a callback, signed and encrypted with the instance's keys unless told otherwise."""
        wecom = self.described["wecom"]
        receiver = receiver or wecom["corp_id"]
        key = base64.b64decode(wecom["callback_aes_key"] + "=")
        body = secrets.token_bytes(16) + struct.pack(">I", len(plaintext.encode())) + plaintext.encode()
        body += receiver.encode()
        count = 32 - len(body) % 32
        encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
        sealed = base64.b64encode(encryptor.update(body + bytes([count]) * count) + encryptor.finalize()).decode()
        stamp, nonce = str(int(time.time())), secrets.token_hex(8)
        parts = sorted([token or wecom["callback_token"], stamp, nonce, sealed])
        signature = hashlib.sha1("".join(parts).encode()).hexdigest()
        query = {"msg_signature": signature, "timestamp": stamp, "nonce": nonce}
        xml = f"<xml><ToUserName><![CDATA[{receiver}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        return query, xml

    def post(self, query: dict[str, str], body: str | bytes) -> requests.Response:
        url = self.described["wecom"]["callback_url"]
        data = body.encode() if isinstance(body, str) else body
        return self.http.post(url, params=query, data=data, headers={"Content-Type": "text/xml"}, timeout=TIMEOUT)

    def event(self, **fields: str) -> str:
        """The plaintext of a customer event."""
        corp = self.described["wecom"]["corp_id"]
        every = {"ToUserName": corp, "FromUserName": "sys", "CreateTime": str(int(time.time())), "MsgType": "event"}
        return f"<xml>{''.join(f'<{k}><![CDATA[{v}]]></{k}>' for k, v in {**every, **fields}.items())}</xml>"


@dataclass
class Shopper:
    """The mini-program of one customer."""

    described: dict[str, Any]
    tencent: Tencent
    customer: str
    token: str = ""
    http: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        url = f"{self.described['web_url']}/api/miniapp/v1{path}"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return self.http.request(method, url, json=body, headers=headers, timeout=TIMEOUT)

    def code(self, kind: str) -> str:
        """A login or phone code, as wx.login or the phone button would give it."""
        made: str = self.tencent.control("POST", "/codes", kind=kind, customer=self.customer)["code"]
        return made

    def login(self, code: str | None = None) -> requests.Response:
        body = {"appid": self.described["miniprogram"]["appid"], "code": code or self.code("login")}
        answer = self.call("POST", "/login", body)
        if answer.ok:
            self.token = answer.json()["token"]
        return answer


@dataclass
class Till:
    """A store's till, with an API key."""

    described: dict[str, Any]
    key: str = "till"
    http: requests.Session = field(default_factory=requests.Session)

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, secret: str | None = None
    ) -> requests.Response:
        """A signed request; every write carries an Idempotency-Key, a fresh one unless given."""
        client = self.described[self.key]
        path = f"/api/pos/v1{path}"
        data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        stamp = str(int(time.time()))
        idempotency = "" if method == "GET" else key or secrets.token_hex(12)
        lines = [method, path, stamp, idempotency, hashlib.sha256(data).hexdigest()]
        signature = hmac.new((secret or client["secret"]).encode(), "\n".join(lines).encode(), hashlib.sha256)
        headers = {
            "X-Siyu-Key": client["key_id"],
            "X-Siyu-Timestamp": stamp,
            "X-Siyu-Signature": signature.hexdigest(),
            "Content-Type": "application/json",
        }
        if idempotency:
            headers["Idempotency-Key"] = idempotency
        return self.http.request(
            method, f"{self.described['web_url']}{path}", data=data, headers=headers, timeout=TIMEOUT
        )


@dataclass
class Hq:
    """HQ operations through the admin API."""

    described: dict[str, Any]
    token: str = ""
    http: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.described['web_url']}/api/admin/v1{path}"
        return self.http.request(method, url, json=body, headers=headers, timeout=TIMEOUT)

    def login(self) -> requests.Response:
        admin = self.described["admin"]
        answer = self.call("POST", "/login", {"login": admin["login"], "password": admin["password"]})
        if answer.ok:
            self.token = answer.json()["token"]
        return answer


@dataclass
class Guide:
    """A guide's WeCom client with the sidebar open."""

    described: dict[str, Any]
    tencent: Tencent
    userid: str
    http: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        url = f"{self.described['web_url']}/api/sidebar/v1{path}"
        return self.http.request(method, url, json=body, timeout=TIMEOUT)

    def open(self) -> requests.Response:
        """Open the sidebar page: through WeCom's OAuth and back, as the member of staff signed in to the client."""
        client = f"{self.described['simulator_url']}/client/wecom"
        self.http.get(client, params={"staff": self.userid}, timeout=TIMEOUT).raise_for_status()
        return self.http.get(f"{self.described['web_url']}/sidebar/", timeout=TIMEOUT)
