"""The limits of subscribe-message fields by their key (developers.weixin.qq.com, subscribeMessage.send)."""

from __future__ import annotations

import re

from .errors import MessageInvalid

_KIND = re.compile(r"([a-z_]+?)_?[0-9]*")
_CUT = {"thing": 20, "phrase": 5, "symbol": 5}
# Cutting these would change what they say, so a value over the limit is an error.
_EXACT = {"number": 32, "letter": 32, "character_string": 32, "phone_number": 17, "car_number": 8}
_AMOUNT = re.compile(r"[^\d\s.,-]{0,3}\d{1,10}(\.\d+)?元?")


def fitted(key: str, value: str) -> str:
    """`value` within the limit of its key's kind, cut with an ellipsis where that harms nothing."""
    match = _KIND.fullmatch(key)
    if not match:
        raise MessageInvalid("The key is not one of a template.", field=key)
    kind, value = match[1], value.strip()
    if not value:
        raise MessageInvalid(f"{key} is empty.", field=key)
    if kind in _CUT:
        return _cut(value, _CUT[kind])
    if kind == "name":
        return _cut(value, 20 if value.isascii() else 10)
    if kind == "amount" and not _AMOUNT.fullmatch(value):
        raise MessageInvalid(f"{key} is not an amount of at most ten digits.", field=key)
    if kind in _EXACT and len(value) > _EXACT[kind]:
        raise MessageInvalid(f"{key} is longer than {_EXACT[kind]}.", field=key, limit=_EXACT[kind])
    return value


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"
