"""User data that passed through the client: decrypt and prove it (developers.weixin.qq.com, 开放数据校验与解密)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.padding import PKCS7
from wechatpy.crypto.base import WeChatCipher

from app.core import clock

from . import cipher, reply
from .errors import UserDataInvalid

MAX_AGE = 600  # seconds


def decrypt_user_data(
    *, appid: str, session_key: str, iv: str, encrypted_data: str, max_age: int | None = MAX_AGE
) -> dict[str, Any]:
    """The fields of `encryptedData`, once its watermark names `appid` and is at most `max_age` seconds old.

    A failure usually means that a newer `wx.login` replaced the session key: the client logs in again.
    """
    try:
        key, vector, data = (base64.b64decode(part, validate=True) for part in (session_key, iv, encrypted_data))
        if len(key) != 16:
            raise UserDataInvalid
        unpadder = PKCS7(128).unpadder()
        fields = json.loads((unpadder.update(WeChatCipher(key, vector).decrypt(data)) + unpadder.finalize()).decode())
    except (binascii.Error, ValueError, RecursionError):
        raise UserDataInvalid from None
    if not isinstance(fields, dict) or not check_watermark(fields, appid=appid, now=clock.now(), max_age=max_age):
        raise UserDataInvalid
    return fields


def check_raw_data(*, raw_data: str, session_key: str, signature: str) -> None:
    """Raise unless `signature` is the SHA-1 of rawData and the session key."""
    expected = hashlib.sha1((raw_data + session_key).encode("utf-8", "surrogatepass")).hexdigest()
    if not cipher.same(expected, signature):
        raise UserDataInvalid


def check_watermark(
    fields: dict[str, Any], *, appid: str, now: datetime | None = None, max_age: int | None = None
) -> bool:
    """Whether the watermark names `appid` and, with `max_age`, lies within that many seconds of `now`."""
    watermark = reply.record(fields, "watermark")
    if watermark.get("appid") != appid:
        return False
    if now is None or max_age is None:
        return True
    return abs(now.timestamp() - reply.number(watermark, "timestamp")) <= max_age
