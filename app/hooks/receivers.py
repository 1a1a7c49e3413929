"""Whom a callback is for: the keys of an account, remembered in the process for some seconds.

A callback must be answered in milliseconds, so its way holds no ORM and one statement; only a receiver that was not
heard of lately is looked up. Unknown ones are remembered too, so that a flood of them costs nothing.
"""

from __future__ import annotations

import time

from app.core.errors import NotFound
from app.core.transaction import reading
from app.flows import accounts
from app.org import queries as org
from app.wechat.callbacks import CallbackKeys

REMEMBER_SECONDS = 10.0
REMEMBER_AT_MOST = 1000

_remembered: dict[tuple[str, str], tuple[float, CallbackKeys | None]] = {}


class ReceiverUnknown(NotFound):
    code, message = "receiver_unknown", "No account of ours has this corp id or appid."


def keys(kind: str, namespace: str) -> CallbackKeys:
    """The callback keys of a corp id or appid; ReceiverUnknown (404) when it is none of ours."""
    now = time.monotonic()
    until, known = _remembered.get((kind, namespace), (0.0, None))
    if until < now:
        known = _look_up(kind, namespace)
        if len(_remembered) >= REMEMBER_AT_MOST:
            _remembered.clear()
        _remembered[kind, namespace] = now + REMEMBER_SECONDS, known
    if known is None:
        raise ReceiverUnknown()
    return known


def forget() -> None:
    """Look everything up again at the next callback."""
    _remembered.clear()


def _look_up(kind: str, namespace: str) -> CallbackKeys | None:
    with reading():
        account = org.account_by_namespace(kind, namespace)
    if account is None:
        return None
    return (accounts.wecom_app(account) if kind == "wecom" else accounts.mini_program(account)).callback_keys
