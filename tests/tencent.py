"""Tencent behind the wire of a test: the simulator's engine answers our gateways, its events reach our hooks.

from tencent import tencent, world          # in a folder's conftest.py

tencent.add("a", "b")          customers add the first guide in the same second; callbacks wait
tencent.deliver()              every waiting callback is posted to our hook, sealed as Tencent seals it
tencent.login_code("a")        a code of wx.login;  tencent.phone_code("a")  a code of the phone button
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from factories import AES_KEY, World, make_world
from pay_keys import pay_brand

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.pay import PREFIX as PAY
from app.wechat.simulator.engine.rows import Customer, Sent
from app.wechat.simulator.responses_bridge import register
from app.wechat.simulator.sender import envelope

HOSTS = ("http://wecom.test", "http://wechat.test", "http://wxpay.test")


class Tencent:
    def __init__(self, world: World, client: Any, mock: responses.RequestsMock) -> None:
        self.world, self.client, self.engine = world, client, Engine()
        self.corp_id, self.appid = world.wecom.namespace, world.miniprogram.namespace
        register(mock, self.engine, hosts=HOSTS)
        self.waiting: list[tuple[str, dict[str, Any]]] = []
        self.engine.world.on_event = lambda receiver, fields: self.waiting.append((receiver, fields))
        self.engine.pay.put_brand(pay_brand())
        directory = self.engine.directory
        directory.put_corp(
            {
                "corp_id": self.corp_id,
                "apps": [{"agent_id": world.wecom.agent_id, "secret": "wecom-secret"}],
                "callback": {
                    "url": f"/hooks/wecom/{self.corp_id}",
                    "token": "callback-token",
                    "aes_key": AES_KEY,
                    "agent_id": world.wecom.agent_id,
                },
            }
        )
        directory.put_mini(
            {
                "appid": self.appid,
                "secret": "mini-secret",
                "callback": {
                    "url": f"/hooks/miniprogram/{self.appid}",
                    "token": "push-token",
                    "aes_key": AES_KEY,
                    "format": "json",
                },
            }
        )
        for guide in world.guides:
            directory.put_staff({"corp_id": self.corp_id, "userid": guide.userid, "name": guide.name})

    def customer(self, name: str, **values: Any) -> Customer:
        """A human, made at first use; `phone` and the like may be given then."""
        known = self.engine.world.customers.get(name)
        if known is not None and not values:
            return known
        return self.engine.directory.put_customer({"id": name, "name": f"顾客{name}", **values})

    def external(self, name: str) -> str:
        return self.customer(name).external_userids[self.corp_id]

    def add(self, *names: str, userid: str = "guide1", **values: Any) -> list[dict[str, Any]]:
        """Customers add a member of staff, all in the same second."""
        return self.engine.contacts.add(self.corp_id, userid, [self.customer(name) for name in names], **values)

    def unfollow(self, name: str, userid: str = "guide1") -> None:
        self.engine.contacts.unfollow(self.corp_id, userid, self.customer(name))

    def delete(self, name: str, userid: str = "guide1", **values: Any) -> None:
        self.engine.contacts.delete(self.corp_id, userid, self.customer(name), **values)

    def deliver(self, *, times: int = 1) -> list[int]:
        """Post what is waiting, `times` over (each sealed anew); the status codes."""
        events, self.waiting = self.waiting, []
        return [self.post(receiver, fields) for receiver, fields in events for _ in range(times)]

    def post(self, receiver: str, fields: dict[str, Any]) -> int:
        if receiver.startswith(PAY):
            url, body, headers = self.engine.pay.envelope(fields)
            return int(self.client.post(url, data=body, headers=headers).status_code)
        target = self.engine.world.targets.rows[receiver]
        url, body, headers, query = envelope(target, fields, mini=receiver in self.engine.world.minis)
        answer = self.client.post(url, data=body, headers=headers, query_string=query)
        return int(answer.status_code)

    def login_code(self, name: str) -> str:
        return self.engine.codes.login(self.customer(name), self.appid)

    def phone_code(self, name: str) -> str:
        return self.engine.codes.phone(self.customer(name), self.appid)

    def sent(self, kind: str) -> list[Sent]:
        return [row for row in self.engine.world.sent if row.kind == kind]


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def tencent(world: World, client: Any) -> Iterator[Tencent]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Tencent(world, client, mock)
