"""Tencent's limits: how often an API may be called, and how long a message may be.

Checks before sending: what Tencent would refuse as a whole is refused here with the field and the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass

from .errcodes import Platform
from .errors import MessageInvalid


@dataclass(frozen=True)
class Quota:
    """Calls one account may make of one API, in a window and side by side; None: no limit is published."""

    a_minute: int | None = None
    an_hour: int | None = None
    a_day: int | None = None
    at_once: int | None = None


# "Per corp and API 10,000 a minute and 150,000 an hour" (WeCom docs, path/90313). 45033 answers too many calls at once
# of those that read much (customers, groups); four never met it. Id conversion: path/95900. Tickets: path/90506.
_HEAVY = Quota(a_minute=10_000, an_hour=150_000, at_once=4)
DEFAULTS: Mapping[Platform, Quota] = {"wecom": Quota(a_minute=10_000, an_hour=150_000), "weixin": Quota()}
QUOTAS: Mapping[Platform, Mapping[str, Quota]] = {
    "wecom": {
        "/cgi-bin/externalcontact/list": _HEAVY,
        "/cgi-bin/externalcontact/get": _HEAVY,
        "/cgi-bin/externalcontact/batch/get_by_user": _HEAVY,
        "/cgi-bin/externalcontact/groupchat/list": _HEAVY,
        "/cgi-bin/externalcontact/groupchat/get": _HEAVY,
        "/cgi-bin/externalcontact/add_moment_task": Quota(a_minute=10),
        "/cgi-bin/idconvert/unionid_to_external_userid": Quota(10_000, 100_000, 480_000),
        "/cgi-bin/idconvert/batch/external_userid_to_pending_id": Quota(10_000, 100_000, 480_000),
        "/cgi-bin/get_jsapi_ticket": Quota(an_hour=400),
        "/cgi-bin/ticket/get": Quota(an_hour=100),
    },
    "weixin": {
        "/cgi-bin/stable_token": Quota(a_minute=10_000, a_day=500_000),
        "/wxa/getwxacodeunlimit": Quota(a_minute=5_000),
    },
}


def quota(platform: Platform, path: str) -> Quota:
    """What is published for an API, else what holds for every API of the platform."""
    return QUOTAS[platform].get(path, DEFAULTS[platform])


def at_most_characters(text: str, limit: int, field: str) -> None:
    _check(len(text), limit, field, "characters")


def at_most_bytes(text: str, limit: int, field: str) -> None:
    _check(len(text.encode("utf-8", "replace")), limit, field, "bytes")


def at_most_items(items: Sized, limit: int, field: str) -> None:
    _check(len(items), limit, field, "items")


def present(value: object, field: str) -> None:
    if not value:
        raise MessageInvalid(f"{field} is missing.", field=field)


def _check(size: int, limit: int, field: str, unit: str) -> None:
    if size > limit:
        raise MessageInvalid(f"{field} has {size} {unit}, the limit is {limit}.", field=field, limit=limit, unit=unit)
