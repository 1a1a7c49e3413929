"""The account at WeChat Pay out of the environment: all of its names are set, or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from .wechat.pay import account
from .wechat.pay.account import KeyUnreadable, PayAccount

T = TypeVar("T")

# WXPAY_MCHID may be left out. Keys are PEM texts; \\n in them stands for a line feed.
PAY_NAMES = (
    "WXPAY_BRAND_ID",
    "WXPAY_SERIAL_NO",
    "WXPAY_PRIVATE_KEY",
    "WXPAY_API_V3_KEY",
    "WXPAY_PUBLIC_KEY_ID",
    "WXPAY_PUBLIC_KEY",
    "WXPAY_MCHID",
)
_OPTIONAL = {"WXPAY_MCHID"}
_SHAPES = {
    "WXPAY_BRAND_ID": (re.compile(r"[0-9]{1,20}"), "digits"),
    "WXPAY_MCHID": (re.compile(r"[0-9]{1,20}|"), "digits"),
    "WXPAY_SERIAL_NO": (re.compile(r"[0-9A-Fa-f]{8,64}"), "the hexadecimal serial number of the API certificate"),
    "WXPAY_API_V3_KEY": (re.compile(r"[\x21-\x7e]{32}"), "32 characters"),
    "WXPAY_PUBLIC_KEY_ID": (re.compile(r"PUB_KEY_ID_[0-9A-Za-z]{1,64}|[0-9A-Fa-f]{8,64}"), "PUB_KEY_ID_ and digits"),
}


def pay_account(values: Mapping[str, str], api_base: str) -> tuple[PayAccount | None, list[str]]:
    """The account and what is wrong with it, by name; never what a value is."""
    given = {name for name in PAY_NAMES if values[name]}
    if not given:
        return None, []
    problems = [f"{name}: needed where another WXPAY_ name is set" for name in PAY_NAMES if _missing(name, given)]
    problems += [
        f"{name}: {wanted}"
        for name, (shape, wanted) in _SHAPES.items()
        if values[name] and not shape.fullmatch(values[name])
    ]
    private = _key("WXPAY_PRIVATE_KEY", values, account.private_key, problems)
    public = _key("WXPAY_PUBLIC_KEY", values, account.public_key, problems)
    if private and public and private.public_key().public_numbers() == public.public_numbers():
        problems.append("WXPAY_PUBLIC_KEY: WeChat Pay's key is wanted here, not our own")
    if problems or private is None or public is None:
        return None, problems
    made = PayAccount(
        id=values["WXPAY_BRAND_ID"],
        serial_no=values["WXPAY_SERIAL_NO"],
        private_key=private,
        api_v3_key=values["WXPAY_API_V3_KEY"].encode(),
        platform_keys={values["WXPAY_PUBLIC_KEY_ID"]: public},
        api_base=api_base.rstrip("/"),
        mchid=values["WXPAY_MCHID"],
    )
    return made, []


def _missing(name: str, given: set[str]) -> bool:
    return name not in given and name not in _OPTIONAL


def _key(name: str, values: Mapping[str, str], read: Callable[[str], T], problems: list[str]) -> T | None:
    if not values[name]:
        return None
    try:
        return read(values[name])
    except KeyUnreadable as error:
        problems.append(f"{name}: {error}")
        return None
