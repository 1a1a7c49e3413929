"""A simulator with a small cast, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.sender import Sender
from app.wechat.simulator.server import create_app

CORP, AGENT, SECRET = "ww00000000000000aa", 1000002, "corp-secret"
APPID, MINI_SECRET = "wx00000000000000bb", "mini-secret"


class Clock:
    def __init__(self) -> None:
        self.value = 1_760_000_000.0

    def __call__(self) -> float:
        return self.value


class Tencent:
    """One simulator with a small cast, reached through its WSGI application."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.slept: list[float] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.engine = Engine(clock=clock, sleep=self.slept.append)
        self.sender = Sender(self.engine)
        self.client: FlaskClient = create_app(self.engine, self.sender, public_url="http://sim.test").test_client()
        self.engine.world.on_event = lambda receiver, fields: self.events.append((receiver, fields))
        self.control(
            "seed",
            corps=[{"corp_id": CORP, "apps": [{"agent_id": AGENT, "secret": SECRET}]}],
            miniprograms=[{"appid": APPID, "secret": MINI_SECRET}],
            departments=[{"id": 2, "name": "南京西路店", "parentid": 1}],
            staff=[{"userid": "GuideA", "name": "王芳", "departments": [2]}, {"userid": "guide-b", "name": "李娜"}],
            customers=[{"id": f"c{n}", "name": f"顾客{n}", "phone": f"1390000000{n}"} for n in range(6)],
        )
        self.login()

    def login(self) -> None:
        self.token = self.get("/cgi-bin/gettoken", token=None, corpid=CORP, corpsecret=SECRET)["access_token"]

    def control(self, path: str, status: int = 200, /, **values: Any) -> dict[str, Any]:
        answer = self.client.post(f"/_control/{path}", json=values)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()

    def get(self, path: str, /, token: str | None = "", **params: Any) -> dict[str, Any]:
        return self.client.get(path, query_string=self._query(token) | params).get_json()

    def post(self, path: str, /, token: str | None = "", **body: Any) -> dict[str, Any]:
        return self.client.post(path, query_string=self._query(token), json=body).get_json()

    def contact(self, name: str, /, **body: Any) -> dict[str, Any]:
        return self.post(f"/cgi-bin/externalcontact/{name}", **body)

    def _query(self, token: str | None) -> dict[str, str]:
        return {} if token is None else {"access_token": token or self.token}

    def external(self, customer: str) -> str:
        return self.engine.world.customers.rows[customer].external_userids[CORP]

    def add(self, *customers: str, staff: str = "GuideA", **values: Any) -> list[dict[str, Any]]:
        return self.control("contacts", staff=staff, customers=list(customers), **values)["contacts"]


def mini_token(tencent: Tencent) -> str:
    ask = {"grant_type": "client_credential", "appid": APPID, "secret": MINI_SECRET}
    return tencent.post("/cgi-bin/stable_token", token=None, **ask)["access_token"]
