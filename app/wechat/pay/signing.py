"""Signatures and sealing of APIv3.

A request is signed over method, target (path and query), timestamp, nonce and body, each ended by a line feed; answers
and notices over timestamp, nonce and body. RSA PKCS#1 v1.5 with SHA-256, in Base64. What a notice is about is sealed
with AES-256-GCM under the APIv3 key, its associated data authenticated with it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import CallbackMalformed, CallbackSignature, CallbackStale
from .account import PayAccount

WINDOW = 300  # seconds that a signature's time may be off
ALGORITHM = "AEAD_AES_256_GCM"
_NONCE = 12  # bytes
_DIGITS = re.compile(r"[0-9]{1,12}")
_PLAIN = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Signed:
    """The four headers that carry a signature of WeChat Pay's; a missing one is empty, and the signature wrong."""

    serial: str
    timestamp: str
    nonce: str
    signature: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Signed:
        return cls(*(headers.get(f"Wechatpay-{name}", "") for name in ("Serial", "Timestamp", "Nonce", "Signature")))


def sign(key: RSAPrivateKey, *parts: str | bytes) -> str:
    """Our signature over parts, each ended by a line feed."""
    made = key.sign(_joined(parts), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(made).decode()


def authorization(account: PayAccount, *, method: str, target: str, body: bytes, at: datetime, nonce: str) -> str:
    """The Authorization header of a request; `target` is the path with its query, exactly as it is sent."""
    timestamp = str(int(at.timestamp()))
    signature = sign(account.private_key, method, target, timestamp, nonce, body)
    who = "brand_id" if account.brand else "mchid"
    fields = {
        who: account.id,
        "nonce_str": nonce,
        "signature": signature,
        "timestamp": timestamp,
        "serial_no": account.serial_no,
    }
    return f"{account.scheme} " + ",".join(f'{name}="{value}"' for name, value in fields.items())


def verify(account: PayAccount, signed: Signed, body: bytes, *, at: datetime) -> None:
    """Believe an answer or a notice, or raise.

    CallbackStale for a time outside the window; CallbackSignature for all else alike: a wrong signature, an unknown
    serial number, and the probes with which WeChat Pay looks whether we check at all (WECHATPAY/SIGNTEST/..).
    """
    if not _DIGITS.fullmatch(signed.timestamp):
        raise CallbackSignature
    key = account.platform_keys.get(signed.serial)
    if key is None or not _PLAIN.fullmatch(signed.nonce):
        raise CallbackSignature
    if not matches(key, signed.signature, _joined((signed.timestamp, signed.nonce, body))):
        raise CallbackSignature
    if abs(at.timestamp() - int(signed.timestamp)) > WINDOW:
        raise CallbackStale


def matches(key: RSAPublicKey, signature: str, text: bytes) -> bool:
    """Whether a Base64 signature over a text is that of the key's owner."""
    made = _base64(signature)
    if made is None:
        return False
    try:
        key.verify(made, text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def unseal(key: bytes, resource: Any) -> dict[str, Any]:
    """The JSON object sealed in a notice's `resource`; CallbackMalformed when it does not open."""
    if not isinstance(resource, dict) or resource.get("algorithm") != ALGORITHM:
        raise CallbackMalformed
    nonce, bound, sealed = (resource.get(name, "") for name in ("nonce", "associated_data", "ciphertext"))
    if not all(isinstance(one, str) for one in (nonce, bound or "", sealed)):
        raise CallbackMalformed
    raw = _base64(sealed)
    try:
        once, associated = nonce.encode(), (bound or "").encode()
        if raw is None or len(once) != _NONCE:
            raise CallbackMalformed
        plain = AESGCM(key).decrypt(once, raw, associated)
    except (InvalidTag, UnicodeEncodeError):
        raise CallbackMalformed from None
    return json_object(plain)


def seal(key: bytes, plain: Mapping[str, Any], *, nonce: str, associated: str) -> dict[str, str]:
    """A notice's `resource`, as WeChat Pay makes it; for the stand-in of its servers."""
    text = json.dumps(plain, ensure_ascii=False).encode()
    sealed = AESGCM(key).encrypt(nonce.encode(), text, associated.encode())
    return {
        "algorithm": ALGORITHM,
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": associated,
        "nonce": nonce,
    }


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; CallbackMalformed for everything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise CallbackMalformed from None
    if not isinstance(value, dict):
        raise CallbackMalformed
    return value


def _joined(parts: tuple[str | bytes, ...]) -> bytes:
    return b"".join((part if isinstance(part, bytes) else part.encode("utf-8", "replace")) + b"\n" for part in parts)


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
