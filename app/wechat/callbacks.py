"""Callbacks from Tencent: verify, decrypt, read; and the other direction, encrypt and sign.

    keys  = CallbackKeys(token=.., aes_key=.., receiver=corp_id)      # WeCom; a mini-program's receiver is its appid
    echo  = verify_url(keys, msg_signature=.., timestamp=.., nonce=.., echostr=..)           -> str, answer it verbatim
    echo  = verify_plain_url(token, signature=.., timestamp=.., nonce=.., echostr=..)        -> str, mini-program / OA
    event = open_callback(keys, body=bytes, msg_signature=.., timestamp=.., nonce=..)        -> CallbackEvent
            with also=callable, messages meant for other receivers it accepts are opened too (a suite's corps)
    out   = seal(plaintext, keys=keys, timestamp=None, nonce=None, prefix=None)              -> Sealed
            out.query                   {"msg_signature", "timestamp", "nonce"} for the sender's URL (also as echostr:
                                        {**out.query, "echostr": out.encrypted})
            out.callback_xml(agent_id)  / out.callback_json(agent_id)   the body Tencent would post
            out.reply_xml()             / out.reply_json()              the body of a passive reply

Every hostile input ends in one of the Callback* errors (4xx, stable codes); no other exception leaves this module.
Sources: WeCom developer docs path/90968 and path/90930; developers.weixin.qq.com message push, secure mode.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.core import clock

from . import cipher, payload
from .errors import (
    CallbackMalformed,
    CallbackReceiver,
    CallbackSignature,
    CallbackStale,
    CallbackTooLarge,
    Misconfigured,
)

MAX_BODY = 256 * 1024  # bytes; the largest documented event is a few kilobytes
MAX_AGE = 3600  # seconds; Tencent retries within seconds and re-signs, so an hour only leaves room for clock skew

_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True)
class CallbackKeys:
    """What the admin console of one receiver shows; `receiver` is the corp id or suite id (WeCom) or the appid."""

    token: str = field(repr=False)
    aes_key: str = field(repr=False)
    receiver: str

    def __post_init__(self) -> None:
        if not cipher.valid_key(self.aes_key):
            raise Misconfigured("The EncodingAESKey must be 43 letters and digits.", reason="aes_key_invalid")


@dataclass(frozen=True)
class CallbackEvent:
    """One verified callback. `receiver` is whom the sealed message names: the keys' own, or one that `also` accepted.

    `kind` is `event[.changetype]`, lower-cased, such as `change_external_contact.add_external_contact`, or
    `message.<type>` for a message. `fields` hold strings, lists and dicts of them (see `payload`).
    `plaintext_digest` (SHA-256, hex) is the key for recognising a repeated delivery: retries are encrypted anew, the
    plaintext stays the same.
    """

    receiver: str
    kind: str
    fields: dict[str, Any]
    plaintext_digest: str
    created_at: datetime


@dataclass(frozen=True)
class Sealed:
    """An encrypted and signed message."""

    encrypted: str
    msg_signature: str
    timestamp: str
    nonce: str
    receiver: str

    @property
    def query(self) -> dict[str, str]:
        return {"msg_signature": self.msg_signature, "timestamp": self.timestamp, "nonce": self.nonce}

    def callback_xml(self, agent_id: int | str = "") -> str:
        return (
            f"<xml><ToUserName><![CDATA[{self.receiver}]]></ToUserName>"
            f"<Encrypt><![CDATA[{self.encrypted}]]></Encrypt><AgentID><![CDATA[{agent_id}]]></AgentID></xml>"
        )

    def callback_json(self, agent_id: int | str = "") -> str:
        return json.dumps({"tousername": self.receiver, "encrypt": self.encrypted, "agentid": str(agent_id)})

    def reply_xml(self) -> str:
        return (
            f"<xml>\n<Encrypt><![CDATA[{self.encrypted}]]></Encrypt>\n"
            f"<MsgSignature><![CDATA[{self.msg_signature}]]></MsgSignature>\n"
            f"<TimeStamp>{self.timestamp}</TimeStamp>\n<Nonce><![CDATA[{self.nonce}]]></Nonce>\n</xml>"
        )

    def reply_json(self) -> str:
        return json.dumps(
            {
                "encrypt": self.encrypted,
                "msgsignature": self.msg_signature,
                "timestamp": self.timestamp,
                "nonce": self.nonce,
            }
        )


def seal(
    plaintext: str,
    *,
    keys: CallbackKeys,
    timestamp: int | str | None = None,
    nonce: str | None = None,
    prefix: bytes | None = None,
) -> Sealed:
    """Encrypt and sign `plaintext` for `keys.receiver`; `prefix` (16 bytes) is for deterministic vectors only."""
    stamp = str(int(clock.now().timestamp()) if timestamp is None else timestamp)
    nonce = nonce or secrets.token_hex(8)
    encrypted = cipher.encrypt(plaintext.encode(), encoding_aes_key=keys.aes_key, receiver=keys.receiver, prefix=prefix)
    signed = cipher.signature(keys.token, stamp, nonce, encrypted)
    return Sealed(encrypted, signed, stamp, nonce, keys.receiver)


def verify_url(
    keys: CallbackKeys,
    *,
    msg_signature: str,
    timestamp: str,
    nonce: str,
    echostr: str,
    also: Callable[[str], bool] | None = None,
) -> str:
    """The text to answer a WeCom URL check with: no quotes, no newline, within one second."""
    echostr = echostr.replace(" ", "+")  # a doubly decoded query turns "+" into a blank; base64 has no blanks
    message, _ = _decrypt(keys, echostr, msg_signature=msg_signature, timestamp=timestamp, nonce=nonce, also=also)
    return _text(message)


def verify_plain_url(token: str, *, signature: str, timestamp: str, nonce: str, echostr: str) -> str:
    """The text to answer a mini-program or official-account URL check with: the echostr itself, when signed."""
    if not cipher.same(cipher.signature(token, timestamp, nonce), signature):
        raise CallbackSignature
    return echostr


def open_callback(
    keys: CallbackKeys,
    *,
    body: bytes,
    msg_signature: str,
    timestamp: str,
    nonce: str,
    max_age: int | None = MAX_AGE,
    also: Callable[[str], bool] | None = None,
) -> CallbackEvent:
    """Verify, decrypt and read one posted callback; `max_age` in seconds, None accepts any timestamp.

    `also` says of a receiver other than the keys' whether its messages are for us too: a suite gets its own events in
    its own name and the data of a corp in the name of that corp, all sealed with the suite's keys.

    A body that is signed plainly but not encrypted is refused: the console must be set to secure mode.
    """
    if len(body) > MAX_BODY:
        raise CallbackTooLarge
    plaintext, receiver = _decrypt(
        keys, _encrypted(body), msg_signature=msg_signature, timestamp=timestamp, nonce=nonce, also=also
    )
    if max_age is not None:
        _check_age(timestamp, max_age)
    try:
        fields = payload.normalise(payload.parse(plaintext))
    except payload.PayloadError as error:
        raise CallbackMalformed from error
    return CallbackEvent(
        receiver=receiver,
        kind=_kind(fields),
        fields=fields,
        plaintext_digest=hashlib.sha256(plaintext).hexdigest(),
        created_at=_moment(fields.get("CreateTime")),
    )


def _encrypted(body: bytes) -> str:
    try:
        outer = payload.parse(body)
    except payload.PayloadError as error:
        raise CallbackMalformed from error
    encrypted = outer.get("Encrypt", outer.get("encrypt"))  # JSON envelopes of WeCom use lower-case keys
    if not isinstance(encrypted, str) or not encrypted:
        raise CallbackMalformed
    return encrypted


def _decrypt(
    keys: CallbackKeys,
    encrypted: str,
    *,
    msg_signature: str,
    timestamp: str,
    nonce: str,
    also: Callable[[str], bool] | None,
) -> tuple[bytes, str]:
    if not cipher.same(cipher.signature(keys.token, timestamp, nonce, encrypted), msg_signature):
        raise CallbackSignature
    try:
        message, receiver = cipher.decrypt(encrypted, encoding_aes_key=keys.aes_key)
    except cipher.CipherError as error:
        raise CallbackMalformed from error
    if secrets.compare_digest(receiver, keys.receiver.encode()):
        return message, keys.receiver
    other = receiver.decode("ascii", "replace")
    if also is None or not other.isascii() or not also(other):
        raise CallbackReceiver
    return message, other


def _check_age(timestamp: str, max_age: int) -> None:
    if abs(clock.now().timestamp() - _moment(timestamp).timestamp()) > max_age:
        raise CallbackStale


def _kind(fields: dict[str, Any]) -> str:
    message_type = _name(fields.get("MsgType"))
    if message_type != "event":
        return f"message.{message_type}"
    change = fields.get("ChangeType")
    event = _name(fields.get("Event"))
    return f"{event}.{_name(change)}" if change else event


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise CallbackMalformed
    return value.lower()


def _moment(value: Any) -> datetime:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,10}", value):
        raise CallbackMalformed
    return datetime.fromtimestamp(int(value), UTC)


def _text(message: bytes) -> str:
    try:
        return message.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CallbackMalformed from error
