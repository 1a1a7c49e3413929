"""A shopper's mini-program over HTTP, with the simulator behind the gateways."""

from __future__ import annotations

from typing import Any

PHONE = "13712345678"
API = "/api/miniapp/v1"


class Phone:
    """A shopper's mini-program: keeps the token of its login."""

    def __init__(self, tencent: Any, name: str) -> None:
        self.tencent, self.name, self.token = tencent, name, ""

    def login(self, code: str | None = None, **more: str) -> Any:
        code = self.tencent.login_code(self.name) if code is None else code
        answer = self.tencent.client.post(f"{API}/login", json={"appid": self.tencent.appid, "code": code, **more})
        if answer.status_code == 200:
            self.token = answer.json["token"]
        return answer

    def bind(self, code: str | None = None) -> Any:
        code = self.tencent.phone_code(self.name) if code is None else code
        return self.tencent.client.post(f"{API}/phone", json={"code": code}, headers=self.headers)

    def get(self, path: str) -> Any:
        return self.tencent.client.get(f"{API}/{path}", headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}
