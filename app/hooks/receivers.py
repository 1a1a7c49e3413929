"""Whom a callback is for: the keys of an account, remembered in the process for some seconds.

A callback must be answered in milliseconds, so its way holds no ORM and one statement; only a receiver that was not
heard of lately is looked up. Unknown ones are remembered too, so that a flood of them costs nothing.
"""

from __future__ import annotations

import time

from app.core import crypto
from app.core.errors import NotFound
from app.core.transaction import reading
from app.org import queries as org
from app.org.rules import ACCOUNT_CONTEXT
from app.wechat.callbacks import CallbackKeys

REMEMBER_SECONDS = 10.0
REMEMBER_AT_MOST = 1000

_remembered: dict[tuple[str, str], tuple[float, CallbackKeys | None]] = {}


class ReceiverUnknown(NotFound):
    code, message = "receiver_unknown", "No account of ours has this corp id, suite id or appid."


def keys(kind: str, namespace: str) -> CallbackKeys:
    """The callback keys of a corp id, suite id or appid; ReceiverUnknown (404) when it is none of ours."""
    found = _known(kind, namespace)
    if found is None:
        raise ReceiverUnknown()
    return found


def ours(kind: str, namespace: str) -> bool:
    """Whether an account of ours has this corp id, suite id or appid."""
    return _known(kind, namespace) is not None


def _known(kind: str, namespace: str) -> CallbackKeys | None:
    now = time.monotonic()
    until, known = _remembered.get((kind, namespace), (0.0, None))
    if until < now:
        known = _look_up(kind, namespace)
        if len(_remembered) >= REMEMBER_AT_MOST:
            _remembered.clear()
        _remembered[kind, namespace] = now + REMEMBER_SECONDS, known
    return known


def forget() -> None:
    """Look everything up again at the next callback."""
    _remembered.clear()


def _look_up(kind: str, namespace: str) -> CallbackKeys | None:
    with reading():
        account = org.account_by_namespace(kind, namespace)
    if account is None:
        return None
    token, aes_key = (
        crypto.decrypt(sealed, context=ACCOUNT_CONTEXT) for sealed in (account.callback_token, account.callback_aes_key)
    )
    return CallbackKeys(token, aes_key, namespace) if aes_key else None
