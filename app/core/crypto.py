"""Encryption at rest and blind indexes.

Ciphertexts are `keyid:base64(nonce|ciphertext|tag)` with AES-256-GCM; the key id lets keys rotate. A blind index is a
keyed HMAC-SHA256 of (kind, value): equal values meet, and without the key nobody can try phone numbers against it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import ProgrammingError

_NONCE = 12


@dataclass(frozen=True)
class Keyring:
    """`keys`: key id -> 32 bytes; `current`: the id that encrypts; `index_key`: 32 bytes for blind indexes."""

    keys: Mapping[str, bytes]
    current: str
    index_key: bytes


_ring: Keyring | None = None
_mac_keys: dict[str, bytes] = {}


def configure(ring: Keyring) -> None:
    """Install the process's keyring; called once by the composition root."""
    global _ring
    _ring = ring
    _mac_keys.clear()


def _keyring() -> Keyring:
    if _ring is None:
        raise ProgrammingError("crypto is not configured")
    return _ring


def encrypt(plain: str, *, context: str = "") -> str:
    """Encrypt a text. `context` (for example "identity.mobile") is authenticated, so ciphertexts cannot be swapped."""
    ring = _keyring()
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(ring.keys[ring.current]).encrypt(nonce, plain.encode(), context.encode())
    return f"{ring.current}:{base64.b64encode(nonce + sealed).decode()}"


def decrypt(sealed: str, *, context: str = "") -> str:
    """The text behind `encrypt`; ProgrammingError when the key is unknown or the context is another."""
    key_id, _, body = sealed.partition(":")
    raw = base64.b64decode(body)
    try:
        return AESGCM(_keyring().keys[key_id]).decrypt(raw[:_NONCE], raw[_NONCE:], context.encode()).decode()
    except (KeyError, InvalidTag) as error:
        raise ProgrammingError("a ciphertext does not open with its key and context") from error


def current_key() -> str:
    """The id of the key that encrypts now."""
    return _keyring().current


def known_keys() -> frozenset[str]:
    """The ids of all keys this process can open ciphertexts with."""
    return frozenset(_keyring().keys)


def blind_index(kind: str, value: str) -> bytes:
    """The 32-byte blind index of a value of a kind."""
    return hmac.digest(_keyring().index_key, f"{kind}\x1f{value}".encode(), hashlib.sha256)


def mac(purpose: str, message: bytes) -> bytes:
    """A 32-byte keyed MAC for one purpose, from the blind-index key."""
    key = _mac_keys.get(purpose)
    if key is None:
        key = _mac_keys[purpose] = hmac.digest(_keyring().index_key, b"mac\x1f" + purpose.encode(), "sha256")
    return hmac.digest(key, message, "sha256")
