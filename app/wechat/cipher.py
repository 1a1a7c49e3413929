"""The callback cipher of WeCom and of the mini-program / official-account message push.

AES-256-CBC, key = base64(EncodingAESKey + "="), IV = key[:16], PKCS7 padding on a block of 32, plaintext =
16 random bytes + big-endian uint32 length + message + receiver (WeCom developer docs, path/90968; the same scheme on
developers.weixin.qq.com with the appid as receiver).

The cipher, the padding and the signature are wechatpy's. Its whole-message helper is not used: that compares
signatures in variable time, trusts the padding and length bytes, and lets struct.error and UnicodeDecodeError escape
on hostile input.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import struct
from functools import lru_cache

from wechatpy.crypto.base import WeChatCipher
from wechatpy.crypto.pkcs7 import PKCS7Encoder
from wechatpy.utils import WeChatSigner

_BLOCK = PKCS7Encoder.block_size
_HEADER = 20  # 16 random bytes and the length
_KEY = re.compile(r"[A-Za-z0-9]{43}")


class CipherError(ValueError):
    """The ciphertext is not one this scheme produces."""


def valid_key(encoding_aes_key: str) -> bool:
    return _KEY.fullmatch(encoding_aes_key) is not None


def signature(*parts: str) -> str:
    """SHA-1 (hex) of the parts, sorted as bytes and joined: (token, timestamp, nonce[, encrypted])."""
    signer = WeChatSigner()
    signer.add_data(*(part.encode("utf-8", "surrogatepass") for part in parts))
    return str(signer.signature)


def same(expected: str, given: str) -> bool:
    """Compare two strings in constant time, whatever characters they hold."""
    return hmac.compare_digest(expected.encode("utf-8", "surrogatepass"), given.encode("utf-8", "surrogatepass"))


def encrypt(message: bytes, *, encoding_aes_key: str, receiver: str, prefix: bytes | None = None) -> str:
    """Base64 of the encrypted message; `prefix` (16 bytes) fixes the random part, for the published vectors only."""
    body = (prefix or secrets.token_bytes(16)) + struct.pack(">I", len(message)) + message + receiver.encode()
    return base64.b64encode(_cipher(encoding_aes_key).encrypt(pad(body))).decode("ascii")


def decrypt(encrypted: str, *, encoding_aes_key: str) -> tuple[bytes, bytes]:
    """The message and the receiver inside `encrypted`; `CipherError` for anything that is not well-formed."""
    try:
        ciphertext = base64.b64decode(encrypted.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CipherError("not base64") from error
    if not ciphertext or len(ciphertext) % 16:
        raise CipherError("not a whole number of AES blocks")
    plain = unpad(_cipher(encoding_aes_key).decrypt(ciphertext))
    if len(plain) < _HEADER:
        raise CipherError("too short")
    (length,) = struct.unpack(">I", plain[16:_HEADER])
    if length > len(plain) - _HEADER:
        raise CipherError("the length field passes the end")
    return plain[_HEADER : _HEADER + length], plain[_HEADER + length :]


def pad(data: bytes) -> bytes:
    padded: bytes = PKCS7Encoder.encode(data)
    return padded


def unpad(data: bytes) -> bytes:
    count = data[-1] if data else 0
    if not 1 <= count <= _BLOCK or data[-count:] != bytes([count]) * count:
        raise CipherError("bad padding")
    return data[:-count]


@lru_cache(64)  # it holds no state: each message makes its own context of it
def _cipher(encoding_aes_key: str) -> WeChatCipher:
    if not valid_key(encoding_aes_key):
        raise CipherError("the EncodingAESKey must be 43 letters and digits")
    return WeChatCipher(base64.b64decode(encoding_aes_key + "="))
