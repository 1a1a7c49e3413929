"""The callback endpoints: what is stored, what is answered, and what hostile input meets."""

from __future__ import annotations

from typing import Any

import pytest
from factories import AES_KEY
from sqlalchemy import select
from statements import session_statements, statements

from app.core.db import session
from app.core.inbox import Inbox
from app.hooks import receivers
from app.wechat.callbacks import CallbackKeys, Sealed, seal
from app.wechat.cipher import signature

ADDED = (
    "<xml><ToUserName><![CDATA[{corp}]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
    "<CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[add_external_contact]]></ChangeType>"
    "<UserID><![CDATA[guide1]]></UserID><ExternalUserID><![CDATA[{external}]]></ExternalUserID></xml>"
)


@pytest.fixture
def keys(world) -> CallbackKeys:
    return CallbackKeys("callback-token", AES_KEY, world.wecom.namespace)


def added(keys: CallbackKeys, external: str = "wm1") -> Sealed:
    return seal(ADDED.format(corp=keys.receiver, external=external), keys=keys)


def post(client: Any, corp: str, sealed: Sealed, **query: str) -> Any:
    body = sealed.callback_xml(1)
    return client.post(f"/hooks/wecom/{corp}", data=body, query_string=sealed.query | query, content_type="text/xml")


def stored() -> list[Inbox]:
    return list(session.scalars(select(Inbox).order_by(Inbox.id)))


def test_the_url_check_answers_the_bare_echo(client, keys) -> None:
    sealed = seal("4815162342", keys=keys)
    query = {**sealed.query, "echostr": sealed.encrypted}
    answer = client.get(f"/hooks/wecom/{keys.receiver}", query_string=query)
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"4815162342", "text/plain")


def test_the_url_check_of_a_mini_program_answers_the_signed_echo(client, world) -> None:
    query = {"timestamp": "1700000000", "nonce": "n", "signature": signature("push-token", "1700000000", "n")}
    url = f"/hooks/miniprogram/{world.miniprogram.namespace}"
    assert client.get(url, query_string={**query, "echostr": "e c h o"}).data == b"e c h o"
    assert client.get(url, query_string={**query, "nonce": "m", "echostr": "echo"}).status_code == 403


def test_an_event_is_stored_and_answered(client, keys) -> None:
    answer = post(client, keys.receiver, added(keys))
    assert (answer.status_code, answer.data) == (200, b"success")
    (row,) = stored()
    assert (row.source, row.kind) == (
        f"wecom:{keys.receiver}",
        "wecom.change_external_contact.add_external_contact",
    )
    assert row.payload["ExternalUserID"] == "wm1" and (row.queue, row.status) == ("callbacks", "due")
    assert row.correlation_id == answer.headers["X-Correlation-Id"]


def test_a_repeated_delivery_is_one_row_and_two_customers_of_one_second_are_two(client, keys) -> None:
    for external in ("wm1", "wm1", "wm2", "wm1"):
        assert post(client, keys.receiver, added(keys, external)).status_code == 200
    assert [row.payload["ExternalUserID"] for row in stored()] == ["wm1", "wm2"]


def test_a_json_envelope_is_understood(client, world) -> None:
    keys = CallbackKeys("push-token", AES_KEY, world.miniprogram.namespace)
    plain = '{"MsgType":"event","Event":"user_authorization_revoke","OpenID":"o1","RevokeInfo":"201","CreateTime":1}'
    sealed = seal(plain, keys=keys)
    query = {**sealed.query, "signature": "x", "encrypt_type": "aes"}
    url = f"/hooks/miniprogram/{keys.receiver}"
    answer = client.post(url, data=sealed.callback_json(), query_string=query, content_type="application/json")
    assert (answer.status_code, answer.data) == (200, b"success")
    (row,) = stored()
    assert (row.kind, row.status) == ("miniprogram.user_authorization_revoke", "due")


def test_the_way_of_a_callback_holds_no_orm(client, keys) -> None:
    post(client, keys.receiver, added(keys, "warm"))
    with statements() as seen, session_statements() as of_session:
        post(client, keys.receiver, added(keys))
    (only,) = seen
    assert only.startswith("INSERT INTO inbox ") and of_session == []
    assert len(stored()) == 2


def tampered(sealed: Sealed) -> Sealed:
    middle = len(sealed.encrypted) // 2
    other = "A" if sealed.encrypted[middle] != "A" else "B"
    encrypted = sealed.encrypted[:middle] + other + sealed.encrypted[middle + 1 :]
    return Sealed(encrypted, sealed.msg_signature, sealed.timestamp, sealed.nonce, sealed.receiver)


def test_a_tampered_or_forged_callback_is_refused(client, keys) -> None:
    sealed = added(keys)
    assert post(client, keys.receiver, tampered(sealed)).status_code == 403
    assert post(client, keys.receiver, sealed, msg_signature="0" * 40).status_code == 403
    assert post(client, keys.receiver, sealed, timestamp="1").status_code == 403
    assert client.post(f"/hooks/wecom/{keys.receiver}", data=sealed.callback_xml(1)).status_code == 403
    assert stored() == []


def test_a_callback_for_another_corp_is_refused(client, keys) -> None:
    foreign = CallbackKeys(keys.token, keys.aes_key, "wwsomebodyelse")
    answer = post(client, keys.receiver, added(foreign))
    assert (answer.status_code, answer.json["code"]) == (403, "callback_receiver")


def test_an_unknown_receiver_is_not_found(client, keys) -> None:
    for _ in range(2):  # the second time from memory
        answer = post(client, "wwnobody", added(keys))
        assert (answer.status_code, answer.json["code"]) == (404, "receiver_unknown")
    assert client.get("/hooks/miniprogram/wxnobody").status_code == 404


def test_memory_of_receivers_is_bounded(client, monkeypatch) -> None:
    receivers.forget()
    monkeypatch.setattr(receivers, "REMEMBER_AT_MOST", 3)
    for number in range(10):
        client.get(f"/hooks/wecom/ww{number}")
    assert len(receivers._remembered) <= 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml>",
        b"\xff\xfe\x00",
        b"{",
        b"[]",
        b'{"encrypt": 5}',
        b"<xml><Encrypt>not base64</Encrypt></xml>",
        b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><xml><Encrypt>&e;</Encrypt></xml>",
        b"<xml>" + b"<a>" * 2000 + b"</a>" * 2000 + b"</xml>",
        b"A" * 300_000,
        b"A" * 2_000_000,
    ],
    ids=lambda body: f"{body[:12]!r}x{len(body)}",
)
def test_hostile_bodies_meet_4xx(client, keys, body: bytes) -> None:
    for path in (f"/hooks/wecom/{keys.receiver}", "/hooks/miniprogram/wxnobody"):
        answer = client.post(path, data=body, query_string={"msg_signature": "x", "timestamp": "1", "nonce": "1"})
        assert 400 <= answer.status_code < 500 and answer.json["code"]
    assert stored() == []


@pytest.mark.parametrize("value", ["", "\x00", "é", "9" * 400, "-1", "NaN"])
def test_hostile_queries_meet_4xx(client, keys, value: str) -> None:
    sealed = added(keys)
    for name in sealed.query:
        assert 400 <= post(client, keys.receiver, sealed, **{name: value}).status_code < 500
    query = {**sealed.query, "echostr": value}
    assert 400 <= client.get(f"/hooks/wecom/{keys.receiver}", query_string=query).status_code < 500
