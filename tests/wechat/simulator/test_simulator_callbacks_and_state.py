from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, Response, request
from serving import serving

from app.wechat.callbacks import CallbackKeys, open_callback
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.sender import Sender
from app.wechat.simulator.server import create_app, serve
from app.wechat.simulator.store import Store
from tests.wechat.simulator.cast import APPID, CORP, SECRET, Tencent

AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


class Receiver:
    """A callback endpoint that verifies with the product's own code and answers what it is told to."""

    def __init__(self) -> None:
        self.opened: list[Any] = []
        self.nonces: list[str] = []
        self.statuses: list[int] = []
        self.url = ""
        self.app = Flask("receiver")
        self.app.add_url_rule("/hook/<receiver>", view_func=self.receive, methods=["POST"])

    def receive(self, receiver: str) -> Response:
        names = {name: request.args[name] for name in ("msg_signature", "timestamp", "nonce")}
        keys = CallbackKeys(token="tok", aes_key=AES_KEY, receiver=receiver)
        self.opened.append(open_callback(keys, body=request.get_data(), **names))
        self.nonces.append(names["nonce"])
        return Response("success", status=self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with serving(made.app) as address:
        made.url = f"{address}/hook/"
        yield made


@pytest.fixture
def live(tencent: Tencent, receiver: Receiver) -> Tencent:
    tencent.engine.world.on_event = tencent.sender.submit
    for name in (CORP, APPID):
        target = {"receiver": name, "url": receiver.url + name, "token": "tok", "aes_key": AES_KEY}
        tencent.control("callbacks", **target)
    tencent.control("callbacks/options", retry_after=0.01)
    tencent.sender.start()
    return tencent


def test_callbacks_are_sealed_for_the_product(live: Tencent, receiver: Receiver) -> None:
    live.add("c1", state="a]]>b")
    assert live.control("callbacks/wait", seconds=5)["idle"]
    event = receiver.opened[0]
    assert event.kind == "change_external_contact.add_external_contact"
    assert event.fields["ToUserName"] == CORP and event.fields["State"] == "a]]>b"
    assert event.fields["ExternalUserID"] == live.external("c1")


@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_mini_program_event_in_both_formats(live: Tencent, receiver: Receiver, form: str) -> None:
    live.control("callbacks", receiver=APPID, format=form)
    live.control("subscriptions", customer="c1", answers={"T1": True})
    live.control("callbacks/wait", seconds=5)
    assert [e.kind for e in receiver.opened] == ["subscribe_msg_popup_event"]
    assert receiver.opened[0].fields["List"][0]["TemplateId"] == "T1"


def test_a_refused_callback_is_tried_three_times_with_new_nonces(live: Tencent, receiver: Receiver) -> None:
    receiver.statuses = [500, 500, 500]
    live.add("c1")
    live.control("callbacks/wait", seconds=5)
    assert len(receiver.opened) == 3 and len(set(receiver.nonces)) == 3
    assert len({e.plaintext_digest for e in receiver.opened}) == 1
    assert live.client.get("/_control/callbacks/deliveries").get_json()["rows"][-1]["outcome"] == "failed"
    receiver.statuses = [500]
    live.add("c2")
    outcome = live.control("callbacks/wait", seconds=5)
    assert outcome["counts"] == {"failed": 1, "ok": 1}


def test_duplicates_and_loss(live: Tencent, receiver: Receiver) -> None:
    live.control("callbacks/options", duplicates=3, shuffle=0.05)
    live.add("c1", "c2")
    live.control("callbacks/wait", seconds=5)
    assert len(receiver.opened) == 6 and len({e.plaintext_digest for e in receiver.opened}) == 2
    live.control("callbacks/options", duplicates=1, drop=1.0)
    live.add("c3")
    assert live.control("callbacks/wait", seconds=5)["counts"]["dropped"] == 1
    live.control("callbacks/options", 422, nonsense=1)


def test_a_restart_keeps_the_world(tencent: Tencent, tmp_path: Path) -> None:
    store = Store(tmp_path / "world.sqlite")
    tencent.add("c1", "c2")
    tencent.control("contacts/delete", staff="GuideA", customer="c2")
    tencent.control("clock", advance=60)
    assert store.save(tencent.engine.world) > 10
    assert store.save(tencent.engine.world) == 0
    tencent.control("contacts/unfollow", staff="GuideA", customer="c1")
    store.save(tencent.engine.world)

    again = Engine(clock=tencent.clock)
    Store(tmp_path / "world.sqlite").load(again.world)
    client = create_app(again, Sender(again)).test_client()
    assert again.now() == tencent.engine.now()
    ask = {"access_token": tencent.token, "userid": "GuideA"}
    listed = client.get("/cgi-bin/externalcontact/list", query_string=ask).get_json()
    assert listed["external_userid"] == [tencent.external("c1")]
    assert client.get("/_control/customers/c1").get_json()["follows"][0]["lost"] is True
    assert again.world.make_id("x") != tencent.engine.world.make_id("x")
    tencent.control("reset")
    store.save(tencent.engine.world)
    assert Store(tmp_path / "world.sqlite").load(Engine().world) == 0


def test_production_refuses_the_simulator() -> None:
    with pytest.raises(RuntimeError, match="production"):
        serve(host="127.0.0.1", port=0, state_path=None, product_url="", production=True)


def test_a_dropped_connection_is_a_dropped_connection(tencent: Tencent) -> None:
    with serving(tencent.client.application) as address:
        tencent.control("faults", api="gettoken", drop=True, count=1)
        url, params = f"{address}/cgi-bin/gettoken", {"corpid": CORP, "corpsecret": SECRET}
        with pytest.raises(requests.ConnectionError):
            requests.get(url, params=params, timeout=5)
        assert requests.get(url, params=params, timeout=5).json()["errcode"] == 0


def test_twenty_thousand_customers_in_one_call(tencent: Tencent) -> None:
    rows = [{"id": f"m{n}", "name": f"会员{n}"} for n in range(20_000)]
    follows = [{"staff": "GuideA", "customer": f"m{n}", "createtime": 1_700_000_000 + n} for n in range(20_000)]
    assert tencent.control("seed", customers=rows, follows=follows)["customers"] == 20_000
    listed = tencent.get("/cgi-bin/externalcontact/list", userid="GuideA")
    assert len(listed["external_userid"]) == 20_000 and not tencent.events
