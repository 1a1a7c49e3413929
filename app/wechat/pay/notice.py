"""A notice of WeChat Pay's (回调通知): verified, opened, as a plain value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.core import clock

from ..errors import CallbackMalformed, CallbackTooLarge
from .account import PayAccount
from .signing import Signed, json_object, unseal, verify

MAX_BODY = 64 * 1024  # bytes; a notice is about two kilobytes
_ID = re.compile(r"[\x21-\x7e]{1,64}")
_TYPE = re.compile(r"[A-Z][A-Z0-9_.]{0,63}")


@dataclass(frozen=True)
class Notice:
    """`id` is the same for every delivery of it; `kind` is its event_type (PRODUCT_COUPON.SEND); `at` when it was made,
    aware UTC; `fields` what it is about.
    """

    id: str
    kind: str
    at: datetime
    fields: dict[str, Any] = field(repr=False)


def open_notice(account: PayAccount, headers: Mapping[str, str], body: bytes) -> Notice:
    """Verify and open one; CallbackSignature, CallbackStale, CallbackMalformed, CallbackTooLarge."""
    if len(body) > MAX_BODY:
        raise CallbackTooLarge
    verify(account, Signed.of(headers), body, at=clock.now())
    told = json_object(body)
    notice_id, kind, made = told.get("id"), told.get("event_type"), moment(told.get("create_time"))
    if not isinstance(notice_id, str) or not _ID.fullmatch(notice_id):
        raise CallbackMalformed
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind) or made is None:
        raise CallbackMalformed
    return Notice(notice_id, kind, made, _storable(unseal(account.api_v3_key, told.get("resource"))))


def _storable(fields: dict[str, Any]) -> dict[str, Any]:
    """What a database takes as JSON: no half characters, no NUL, no numbers without end."""
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError:
        raise CallbackMalformed from None
    if "\\u0000" in text:
        raise CallbackMalformed
    return fields


def moment(value: Any) -> datetime | None:
    """A time as WeChat Pay writes it (RFC 3339, seconds sometimes left out), in UTC; None when it is none.

    One without an offset is none: it would be taken for another hour.
    """
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if read.tzinfo is None else _utc(read)


def _utc(read: datetime) -> datetime | None:
    try:
        return read.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
