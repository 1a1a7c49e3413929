"""Rules of channel codes: states, limits, and which code a sale is owed to. Limits: WeCom docs, path/92228, 97297."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

from .errors import CodeInvalid

KINDS = ("contact_way", "link", "miniprogram")
OUTSIDE_KINDS = ("contact_way", "link")  # those that exist at WeCom and not only here

MAX_STATE, MAX_REMARK, MAX_NAME, MAX_TAGS = 30, 30, 60, 20
MAX_USERS = {"contact_way": 100, "link": 500, "miniprogram": 0}
MAX_BATCH = 200
SALES_WINDOW = timedelta(days=30)  # an order this long after the arrival is owed to the code that came last before it

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # no look-alikes: people read a state out
_STATE = re.compile(r"[0-9A-Za-z_-]{3,30}")  # what a state, a customer_channel and a mini-program scene all allow
_PAGE = re.compile(r"[0-9A-Za-z_/-]{0,128}")


def new_state() -> str:
    """A state nobody has: 12 characters, 59 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def is_state(text: str) -> bool:
    """Whether a text that came from outside may be a state of ours at all."""
    return _STATE.fullmatch(text) is not None


def remark_of(name: str) -> str:
    """What WeCom keeps beside a contact way, cut to its limit."""
    return name[:MAX_REMARK]


def check(*, kind: str, name: str, users: Sequence[str], state: str, tag_ids: Sequence[str], page: str) -> None:
    """CodeInvalid with `data.field` for what WeCom would refuse or could not tell apart."""
    if kind not in KINDS:
        raise CodeInvalid("The kind is unknown.", field="kind")
    if not 1 <= len(name) <= MAX_NAME:
        raise CodeInvalid(f"A name has 1 to {MAX_NAME} characters.", field="name")
    if not is_state(state):
        raise CodeInvalid("A state has 3 to 30 letters, digits, - and _.", field="state")
    if len(users) != len(set(users)) or not all(users):
        raise CodeInvalid("Each member of staff is named once.", field="users")
    if kind in OUTSIDE_KINDS and not 1 <= len(users) <= MAX_USERS[kind]:
        raise CodeInvalid(f"1 to {MAX_USERS[kind]} members of staff are needed.", field="users")
    if kind == "miniprogram" and users:
        raise CodeInvalid("A mini-program code leads to no member of staff; name the guide instead.", field="users")
    if len(tag_ids) > MAX_TAGS:
        raise CodeInvalid(f"At most {MAX_TAGS} tags.", field="tag_ids")
    if not _PAGE.fullmatch(page) or page.startswith("/"):
        raise CodeInvalid("A page has neither a leading slash nor a query.", field="page")
    if page and kind != "miniprogram":
        raise CodeInvalid("Only a mini-program code has a page.", field="page")
