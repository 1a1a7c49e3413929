"""Callbacks: the published vectors, the shapes seen on the wire, and bodies made to hurt."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from wechatpy.enterprise.crypto import WeChatCrypto

from app.core.errors import SiyuError
from app.wechat import cipher, payload
from app.wechat.callbacks import (
    MAX_BODY,
    CallbackKeys,
    Sealed,
    open_callback,
    seal,
    verify_plain_url,
    verify_url,
)
from app.wechat.errors import (
    CallbackMalformed,
    CallbackReceiver,
    CallbackSignature,
    CallbackStale,
    CallbackTooLarge,
    Misconfigured,
)

SAMPLES = Path(__file__).parent / "samples"
VECTORS = json.loads((SAMPLES / "vectors.json").read_text())
BY_NAME = {vector["name"]: vector for vector in VECTORS["callback"]}
KEYS = CallbackKeys("tokentoken", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "ww1234567890abcdef")
EVENT = (SAMPLES / "events/change_external_contact.add_external_contact.xml").read_text()


def keys_of(vector: dict) -> CallbackKeys:
    return CallbackKeys(vector["token"], vector["encoding_aes_key"], vector["receiveid"])


def query_of(vector: dict) -> dict[str, str]:
    return {name: vector[name] for name in ("msg_signature", "timestamp", "nonce")}


def receive(plaintext: str, *, as_json: bool = False, **changes):
    sealed = seal(plaintext, keys=KEYS)
    body = sealed.callback_json(1) if as_json else sealed.callback_xml(1)
    return open_callback(KEYS, **{"body": body.encode(), **sealed.query, **changes})


def event(name: str):
    return receive((SAMPLES / "events" / name).read_text(), as_json=name.endswith("json"))


class TestVectors:
    @pytest.mark.parametrize("vector", [v for v in VECTORS["callback"] if "GET" in v["kind"]], ids=lambda v: v["name"])
    def test_url_check(self, vector):
        echo = verify_url(keys_of(vector), echostr=vector["encrypted"], **query_of(vector))
        assert echo == vector["expected_plaintext"]
        # A query decoded twice has blanks where base64 had plus signs.
        assert verify_url(keys_of(vector), echostr=vector["encrypted"].replace("+", " "), **query_of(vector)) == echo

    @pytest.mark.parametrize("vector", [v for v in VECTORS["callback"] if "post_body" in v], ids=lambda v: v["name"])
    def test_posted_body(self, vector):
        got = open_callback(keys_of(vector), body=vector["post_body"].encode(), max_age=None, **query_of(vector))
        message, receiver = cipher.decrypt(vector["encrypted"], encoding_aes_key=vector["encoding_aes_key"])
        assert message.decode() == vector["expected_plaintext"] and receiver.decode() == vector["receiveid"]
        assert got.kind == "message.text" and got.receiver == vector["receiveid"]
        assert got.created_at == datetime.fromtimestamp(int(got.fields["CreateTime"]), UTC)
        assert isinstance(got.fields["MsgId"], str)

    def test_sealing_is_byte_for_byte_the_published_reply(self):
        vector = BY_NAME["wechatpy_encrypt_reply_deterministic"]
        out = seal(
            vector["plaintext"],
            keys=keys_of(vector),
            timestamp=vector["timestamp"],
            nonce=vector["nonce"],
            prefix=vector["random16"].encode(),
        )
        assert out.encrypted == vector["expected_encrypt"]
        assert out.msg_signature == vector["expected_msg_signature"]
        assert out.reply_xml() == vector["expected_reply_xml"]
        assert json.loads(out.reply_json())["msgsignature"] == out.msg_signature

    @pytest.mark.parametrize("row", VECTORS["padding"], ids=lambda row: str(row["input_len"]))
    def test_padding_on_a_block_of_32(self, row):
        padded = cipher.pad(b"x" * row["input_len"])
        assert padded[-1] == row["pad_count"] and len(padded) == row["input_len"] + row["pad_count"]
        assert cipher.unpad(padded) == b"x" * row["input_len"]

    def test_plain_url_check(self):
        vector = VECTORS["plain"][0]
        sent = {"timestamp": vector["timestamp"], "nonce": vector["nonce"], "echostr": "echo"}
        assert verify_plain_url(vector["token"], signature=vector["expected_signature"], **sent) == "echo"
        with pytest.raises(CallbackSignature):
            verify_plain_url(vector["token"], signature="0" * 40, **sent)

    def test_an_independent_implementation_reads_what_we_seal_and_the_other_way_round(self):
        theirs = WeChatCrypto(KEYS.token, KEYS.aes_key, KEYS.receiver)
        ours = seal(EVENT, keys=KEYS)
        assert theirs.decrypt_message(ours.callback_xml(), ours.msg_signature, ours.timestamp, ours.nonce) == EVENT
        stamp = str(int(datetime.now(UTC).timestamp()))
        reply = payload.parse_xml(theirs.encrypt_message(EVENT, "n0nce", stamp).encode())
        body = Sealed(reply["Encrypt"], reply["MsgSignature"], stamp, "n0nce", KEYS.receiver)
        assert open_callback(KEYS, body=body.callback_xml().encode(), **body.query).fields["UserID"] == "zhangsan"


class TestRefusals:
    def test_a_changed_nonce(self):
        vector = BY_NAME["wechatpy_url_verify"]
        with pytest.raises(CallbackSignature):
            verify_url(keys_of(vector), echostr=vector["encrypted"], **{**query_of(vector), "nonce": "437374424"})

    def test_a_changed_signature(self):
        vector = BY_NAME["goworkwx_url_verify"]
        sent = {**query_of(vector), "msg_signature": vector["msg_signature"][:-1] + "0"}
        with pytest.raises(CallbackSignature):
            verify_url(keys_of(vector), echostr=vector["encrypted"], **sent)

    def test_another_corp(self):
        vector = BY_NAME["official_post_message_xml"]
        other = CallbackKeys(vector["token"], vector["encoding_aes_key"], "ww0000000000000000")
        with pytest.raises(CallbackReceiver):
            open_callback(other, body=vector["post_body"].encode(), max_age=None, **query_of(vector))

    @pytest.mark.parametrize("key", ["a" * 42, "a" * 44, "a" * 42 + "$", "a" * 42 + "=", "", "a" * 43 + "\n"])
    def test_a_key_of_the_wrong_form(self, key):
        with pytest.raises(Misconfigured):
            CallbackKeys("token", key, "ww")

    def test_an_old_callback_is_refused_and_the_limit_is_adjustable(self):
        sealed = seal(EVENT, keys=KEYS)
        with time_machine.travel(datetime.now(UTC).timestamp() + 86_400):
            with pytest.raises(CallbackStale):
                open_callback(KEYS, body=sealed.callback_xml().encode(), **sealed.query)
            assert open_callback(KEYS, body=sealed.callback_xml().encode(), max_age=None, **sealed.query)

    def test_a_body_over_the_cap(self):
        with pytest.raises(CallbackTooLarge):
            receive(EVENT, body=b"<xml>" + b" " * MAX_BODY)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b"{",
            b"<xml>",
            b"<xml/>",
            b"\xff\xfe\x00",
            b"<xml><Encrypt><a>1</a></Encrypt></xml>",
            b"<xml><Encrypt/></xml>",
            b"<?xml version='1.0' encoding='klingon'?><xml><Encrypt>x</Encrypt></xml>",
            b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><xml><Encrypt>&b;</Encrypt></xml>",
            b"<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;'>]><xml><Encrypt>&c;</Encrypt></xml>",
            b"<?php x?><xml><Encrypt>x</Encrypt></xml>",
            b"<a>" * 1000 + b"</a>" * 1000,
            b'{"encrypt":' + b"[" * 50_000,
            b'{"encrypt":' + b"[" * 100 + b"]" * 100 + b"}",
            b'{"encrypt": "\\ud800"}',
            b'{"encrypt": 1' + b"0" * 5000 + b"}",
        ],
    )
    def test_an_unreadable_envelope(self, body):
        with pytest.raises((CallbackMalformed, CallbackSignature)):
            receive(EVENT, body=body)

    @pytest.mark.parametrize(
        "plaintext",
        [
            "",
            "hello",
            "<xml/>",
            EVENT.replace("<xml>", "<!DOCTYPE xml [<!ENTITY a 'b'>]><xml>"),
            EVENT.replace("1403610513", "yesterday"),
            EVENT.replace("1403610513", "9" * 30),
            EVENT.replace("add_external_contact", "../../etc"),
            EVENT.replace("<MsgType><![CDATA[event]]></MsgType>", ""),
            '{"MsgType": "event", "Event": "a\\u0000b", "CreateTime": 1}',
            '{"MsgType": "event", "Event": {"a": 1}, "CreateTime": 1}',
            '{"MsgType": "event", "Event": "a", "CreateTime": 1, "x": "\\ud800"}',
        ],
    )
    def test_an_unreadable_plaintext(self, plaintext):
        with pytest.raises(CallbackMalformed):
            receive(plaintext)

    def test_a_well_signed_ciphertext_of_nonsense(self):
        for encrypted in ("AAAA", "not-base64!", "", "=" * 8, "A" * 64, "é"):
            signed = cipher.signature(KEYS.token, "1", "n", encrypted)
            with pytest.raises(CallbackMalformed):
                verify_url(KEYS, msg_signature=signed, timestamp="1", nonce="n", echostr=encrypted)

    def test_secrets_stay_out_of_repr(self):
        assert KEYS.token not in repr(KEYS) and KEYS.aes_key not in repr(KEYS)


anything = st.text(st.characters(), max_size=60)


class TestHostileBodies:
    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=400), anything, anything, anything)
    def test_no_body_raises_anything_but_our_4xx(self, body, signed, stamp, nonce):
        with pytest.raises(SiyuError) as caught:
            open_callback(KEYS, body=body, msg_signature=signed, timestamp=stamp, nonce=nonce)
        assert 400 <= caught.value.status < 500

    @settings(max_examples=300, deadline=None)
    @given(st.one_of(anything, st.binary(max_size=200).map(lambda raw: "{" + raw.decode("latin-1") + "}")), anything)
    def test_well_signed_nonsense_raises_nothing_but_our_4xx(self, encrypted, stamp):
        signed = cipher.signature(KEYS.token, stamp, "n", encrypted)
        body = json.dumps({"encrypt": encrypted}).encode()
        with pytest.raises(SiyuError) as caught:
            open_callback(KEYS, body=body, msg_signature=signed, timestamp=stamp, nonce="n")
        assert 400 <= caught.value.status < 500

    @settings(max_examples=300, deadline=None)
    @given(st.one_of(st.text(max_size=200), st.dictionaries(st.text(max_size=8), st.text(max_size=8)).map(json.dumps)))
    def test_well_encrypted_nonsense_raises_nothing_but_our_4xx(self, plaintext):
        try:
            receive(plaintext.encode("utf-8", "replace").decode())
        except SiyuError as error:
            assert 400 <= error.status < 500

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, 10_000), st.integers(0, 255))
    def test_a_flipped_byte_is_refused_or_harmless(self, position, byte):
        sealed = seal(EVENT, keys=KEYS)
        body = bytearray(sealed.callback_xml(1).encode())
        body[position % len(body)] = byte
        try:
            assert open_callback(KEYS, body=bytes(body), **sealed.query).fields["UserID"] == "zhangsan"
        except SiyuError as error:
            assert 400 <= error.status < 500


class TestShapes:
    def test_a_customer_event(self):
        got = event("change_external_contact.add_external_contact.xml")
        assert got.kind == "change_external_contact.add_external_contact"
        assert got.fields["WelcomeCode"] == "WELCOMECODE" and got.fields["State"] == "teststate"

    def test_a_repeated_delivery_has_the_same_digest_and_another_second_customer_has_not(self):
        first, again = receive(EVENT), receive(EVENT)
        other = receive(EVENT.replace("woAJ2GCAAAXtWyujaWJHDDGi0mACH71w", "wo-someone-else"))
        assert first.plaintext_digest == again.plaintext_digest != other.plaintext_digest

    def test_one_or_two_changed_members(self):
        one, two = event("change_external_chat.update.add_member.xml"), event("change_external_chat.update.xml")
        assert one.fields["MemChangeList"] == ["wmOgQhDgAAuXFJGwbve4g4iXknfOAAAA"]
        assert two.fields["MemChangeList"] == ["Jack", "Rose"]

    def test_both_spellings_of_option_ids(self):
        right = event("template_card_event.OptionIds.xml").fields["SelectedItems"]
        sic = event("template_card_event.typo_OpitonIds.xml").fields["SelectedItems"]
        assert right[0] == {"QuestionKey": "QuestionKey1", "OptionIds": ["OptionId1", "OptionId2"]}
        assert sic[1] == {"QuestionKey": "QuestionKey2", "OptionIds": ["OpitonId3", "OpitonId4"]}

    def test_a_batch_job_is_flat(self):
        assert event("batch_job_result.xml").fields["JobType"] == "sync_user"

    @pytest.mark.parametrize(
        ("name", "size"),
        [
            ("SubscribeMessagePopupEvent.List.json", 1),
            ("SubscribeMessagePopupEvent.Object.json", 1),
            ("SubscribeMessagePopupEvent.xml", 2),
            ("SubscribeMessageSentEvent.xml", 1),
            ("SubscribeMessageChangeEvent.json", 1),
        ],
    )
    def test_subscribe_events_always_hold_a_list_of_objects(self, name, size):
        got = event(name)
        assert got.kind.startswith("subscribe_msg_")
        assert [sorted(entry)[-1] for entry in got.fields["List"]] == ["TemplateId"] * size

    def test_numbers_are_text_in_both_formats(self):
        media = event("WxaMediaCheckEvent.json")
        assert media.fields["version"] == "2" and media.fields["detail"][0]["errcode"] == "0"
        assert event("UserAuthorizationRevokeEvent.xml").fields["RevokeInfo"] == "1"

    def test_absent_and_nested_fields_of_the_address_book(self):
        got = event("change_contact.update_user.xml")
        assert got.fields["ExtAttr"]["Item"][1]["Web"]["Title"] == "企业微信" and "BizMail" not in got.fields

    def test_a_message(self):
        assert event("_message.text.xml").kind == "message.text"
