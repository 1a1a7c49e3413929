"""Envelopes of every kind, each sample as XML and as JSON: of corps, suites, mini-programs, official accounts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from callback_day import OFFICIAL, official_account
from factories import AES_KEY
from sqlalchemy import select

from app.channels.rules import SUITE_CONTEXT
from app.channels.state import SuiteAuth, SuiteState
from app.core import crypto, inbox
from app.core.db import session
from app.core.inbox import Inbox
from app.core.transaction import transaction
from app.flows.callbacks.wiring import KEPT
from app.org import commands as org
from app.wechat.callbacks import CallbackKeys, Sealed, seal
from app.wechat.cipher import signature
from app.wechat.simulator.engine.rows import Target
from app.wechat.simulator.sender import envelope

SUITE = "wwsuite0001"
SAMPLES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "wechat" / "samples" / "callbacks.json").read_text()
)


@pytest.fixture
def accounts(tencent, world) -> dict[str, Target]:
    """Where callbacks of each kind of receiver go and how they are sealed."""
    official_account(tencent)
    with transaction():
        org.set_account(
            brand_id=world.brand_id, kind="suite", namespace=SUITE, open_platform="open1", secret="suite-secret",
            callback_token="suite-token", callback_aes_key=AES_KEY,
        )  # fmt: skip
    targets = tencent.engine.world.targets.rows
    return {
        "wecom": targets[tencent.corp_id],
        "miniprogram": targets[tencent.appid],
        "official": targets[OFFICIAL],
        "suite": Target(SUITE, f"/hooks/suite/{SUITE}", "suite-token", AES_KEY),
    }


def send(client: Any, target: Target, fields: dict[str, Any], *, form: str = "xml", mini: bool = False) -> Any:
    shown = Target(target.receiver, target.url, target.token, target.aes_key, form, target.agent_id)
    url, body, headers, query = envelope(shown, fields, mini=mini)
    return client.post(url, data=body, headers=headers, query_string=query)


def fitted(sample: dict[str, Any], corp_id: str) -> dict[str, Any]:
    """A sample's fields for the suite and corp of this test."""
    text = json.dumps(sample["fields"]).replace('"SUITE"', f'"{SUITE}"').replace('"CORP"', f'"{corp_id}"')
    fields: dict[str, Any] = json.loads(text)
    return fields


def rows() -> list[Inbox]:
    found = list(session.scalars(select(Inbox).order_by(Inbox.id)))
    session.remove()  # a worker starts with nothing in memory
    return found


def test_each_sample_says_the_same_as_xml_and_as_json(client, tencent, accounts, run_work) -> None:
    for sample in SAMPLES:
        for form in ("xml", "json"):
            answer = send(client, accounts[sample["to"]], fitted(sample, tencent.corp_id), form=form)
            assert (answer.status_code, answer.data) == (200, b"success"), sample
    stored = rows()
    assert len(stored) == 2 * len(SAMPLES)
    for one, other in zip(stored[::2], stored[1::2], strict=True):
        hidden = {"SuiteTicket", "AuthCode"}  # sealed, and so different each time
        mine, theirs = ({k: v for k, v in row.payload.items() if k not in hidden} for row in (one, other))
        assert (one.kind, mine) == (other.kind, theirs)
    run_work()
    assert {row.kind: (row.status, row.last_error, row.attempts) for row in rows() if row.status != "done"} == {}


def test_every_kind_but_tomorrows_is_known(client, tencent, accounts) -> None:
    for sample in SAMPLES:
        send(client, accounts[sample["to"]], fitted(sample, tencent.corp_id))
    unknown = {row.kind for row in rows() if not inbox.is_handled(row.kind) and row.kind not in KEPT}
    assert unknown == {"wecom.some_event_of_tomorrow"}


def test_events_of_a_suite_reach_the_corp_they_are_about(client, tencent, accounts) -> None:
    about_a_corp = {"SuiteId": SUITE, "InfoType": "change_external_contact", "TimeStamp": 1700000000}
    event = about_a_corp | {"ChangeType": "edit_external_contact", "UserID": "guide1", "ExternalUserID": "wm1"}
    assert send(client, accounts["suite"], event | {"AuthCorpId": tencent.corp_id}).status_code == 200
    assert send(client, accounts["suite"], event | {"AuthCorpId": "wwstranger"}).status_code == 200
    mine, strange = rows()
    assert (mine.source, mine.kind) == (
        f"wecom:{tencent.corp_id}",
        "wecom.change_external_contact.edit_external_contact",
    )
    assert mine.payload["CreateTime"] == "1700000000"
    # A corp we do not work for is the suite's affair; it is stored and counted, and leads to nothing.
    assert (strange.source, strange.status) == (f"suite:{SUITE}", "done")


def data_callback(receiver: str, to_user: str, suite_keys: CallbackKeys) -> Sealed:
    plain = (
        f"<xml><ToUserName>{to_user}</ToUserName><FromUserName>guide1</FromUserName><CreateTime>1700000000</CreateTime>"
        "<MsgType>event</MsgType><Event>enter_agent</Event></xml>"
    )
    return seal(plain, keys=CallbackKeys(suite_keys.token, suite_keys.aes_key, receiver))


def test_the_data_of_a_corp_is_sealed_in_the_corps_name(client, tencent, accounts) -> None:
    keys = CallbackKeys("suite-token", AES_KEY, SUITE)

    def status(sealed: Sealed) -> int:
        url = f"/hooks/suite/{SUITE}"
        return int(client.post(url, data=sealed.callback_xml(), query_string=sealed.query).status_code)

    assert status(data_callback(tencent.corp_id, tencent.corp_id, keys)) == 200
    assert [row.source for row in rows()] == [f"wecom:{tencent.corp_id}"]
    assert status(data_callback("wwstranger", "wwstranger", keys)) == 403
    assert status(data_callback(tencent.corp_id, "wwanother", keys)) == 403  # seal and text disagree
    assert status(data_callback("\xff", "x", keys)) == 403
    wrong_suite = {"SuiteId": "wwother", "InfoType": "suite_ticket", "TimeStamp": 1, "SuiteTicket": "t"}
    assert send(client, accounts["suite"], wrong_suite).status_code == 403
    assert len(rows()) == 1


def test_a_suites_secrets_are_never_stored_in_plain(client, tencent, accounts, run_work) -> None:
    for number, fields in enumerate(({"SuiteTicket": "old"}, {"SuiteTicket": "new"}), 1):
        told = {"SuiteId": SUITE, "InfoType": "suite_ticket", "TimeStamp": 1700000000 + number, **fields}
        assert send(client, accounts["suite"], told).status_code == 200
    for number, info in enumerate(("create_auth", "cancel_auth", "change_auth")):
        who = {"AuthCode": "code"} if info == "create_auth" else {"AuthCorpId": tencent.corp_id}
        told = {"SuiteId": SUITE, "InfoType": info, "TimeStamp": 1700000010 - number, **who}
        assert send(client, accounts["suite"], told).status_code == 200
    assert not any(word in json.dumps(row.payload) for row in rows() for word in ('"old"', '"new"', '"code"'))
    run_work()
    kept = {row.kind: crypto.decrypt(row.value, context=SUITE_CONTEXT) for row in session.scalars(select(SuiteState))}
    assert kept == {"ticket": "new", "auth_code": "code"}
    (auth,) = session.scalars(select(SuiteAuth))
    assert auth.status == "cancelled"  # the change came later, but was earlier


def test_the_url_check_of_a_suite_names_the_providers_corp(client, accounts) -> None:
    sealed = seal("4815162342", keys=CallbackKeys("suite-token", AES_KEY, "wwprovider"))
    query = {**sealed.query, "echostr": sealed.encrypted}
    assert client.get(f"/hooks/suite/{SUITE}", query_string=query).data == b"4815162342"
    assert client.get(f"/hooks/suite/{SUITE}", query_string={**query, "nonce": "x"}).status_code == 403


def test_an_official_account_must_seal_its_messages(client, accounts) -> None:
    query = {"timestamp": "1700000000", "nonce": "n", "signature": signature("official-token", "1700000000", "n")}
    url = f"/hooks/official/{OFFICIAL}"
    assert client.get(url, query_string={**query, "echostr": "hello"}).data == b"hello"
    bare = "<xml><FromUserName>o1</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType></xml>"
    answer = client.post(url, data=bare, query_string=query)
    assert (answer.status_code, answer.json["code"]) == (400, "callback_malformed")
    assert client.post("/hooks/official/wxnobody", data=bare).status_code == 404
    assert rows() == []


@pytest.mark.parametrize("path", [f"/hooks/suite/{SUITE}", f"/hooks/official/{OFFICIAL}"])
@pytest.mark.parametrize(
    "body",
    [b"", b"<xml>", b"\xff\xfe\x00", b"{", b'{"Encrypt": {}}', b"<xml><Encrypt>AAAA</Encrypt></xml>", b"A" * 300_000],
    ids=lambda body: f"{body[:12]!r}x{len(body)}",
)
def test_hostile_bodies_of_other_receivers_meet_4xx(client, accounts, path: str, body: bytes) -> None:
    answer = client.post(path, data=body, query_string={"msg_signature": "x", "timestamp": "1", "nonce": "1"})
    assert 400 <= answer.status_code < 500 and answer.json["code"]


def test_a_suite_event_with_broken_fields_meets_4xx(client, accounts) -> None:
    for broken in ({}, {"InfoType": ""}, {"InfoType": "a b"}, {"TimeStamp": "x"}, {"TimeStamp": ""}):
        fields = {"SuiteId": SUITE, "InfoType": "suite_ticket", "TimeStamp": 1700000000} | broken
        if not broken:
            del fields["InfoType"]
        assert send(client, accounts["suite"], fields).status_code == 400
    assert rows() == []
