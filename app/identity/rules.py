"""What an id is, which ids identify nobody, and what keeps two persons apart. No database, no clock."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.core import crypto

from .errors import IdentityBlocked, PhoneInvalid

Kind = Literal["unionid", "openid", "external_userid", "pending", "mobile", "card", "mall", "import", "staff"]
Strength = Literal["proof", "strong", "weak"]

SEAL_CONTEXT = "identity.mobile"
MAX_VALUE = 128

# Ids that WeChat itself vouches for. What one answer of Tencent says together belongs to one human. A pending id stands
# for an external userid that does not exist yet (WeCom docs, path/97357).
STRONG: frozenset[str] = frozenset({"unionid", "openid", "external_userid", "pending"})
# A human has one of these in a namespace. A unionid that differs proves two humans; the others only weigh against a
# shared phone number or card, because phones are passed on and typed wrong at tills.
PROOF: tuple[str, ...] = ("unionid",)
EXCLUSIVE: tuple[str, ...] = ("unionid", "openid", "external_userid", "card", "mall")  # the telling ones first
# More than this and the "person" is a shared phone or a shop's own account.
LIMITS: Mapping[str, int] = {"mobile": 3, "card": 5, "mall": 5, "staff": 5, "pending": 20, "import": 20}

_MOBILE_CN = re.compile(r"1[3-9][0-9]{9}")
_ABROAD = re.compile(r"\+[1-9][0-9]{6,14}")
_SAME_EIGHT = re.compile(r"([0-9])\1{7}$")
_TEST_NUMBERS = frozenset({"13800138000", "13912345678", "13812345678", "18888888888"})


@dataclass(frozen=True, order=True)
class Identity:
    """One id: `kind`, whose it is (`namespace`: open-platform account, appid, corp id, till or mall system, import
    source; none for a mobile) and its `value`, for a mobile the plain number in any usual spelling. Raises PhoneInvalid
    for what is no phone.
    """

    kind: Kind
    namespace: str
    value: str

    def __post_init__(self) -> None:
        if self.kind == "mobile":
            object.__setattr__(self, "namespace", "")
            object.__setattr__(self, "value", normal_phone(self.value))
        if not 0 < len(self.value) <= MAX_VALUE:
            raise IdentityBlocked("An id has 1 to 128 characters.", kind=self.kind)

    @property
    def key(self) -> tuple[str, str, str]:
        """The primary key this id is stored under."""
        value = crypto.blind_index("mobile", self.value).hex() if self.kind == "mobile" else self.value
        return (self.kind, self.namespace, value)

    def __repr__(self) -> str:
        return f"Identity({self.kind}@{self.namespace})"  # the value is personal data and stays out of logs


def strength(kind: str) -> Strength:
    """How far an id of a kind is believed: a proof, vouched for by WeChat, or passed on and typed in by people."""
    if kind in PROOF:
        return "proof"
    return "strong" if kind in STRONG else "weak"


def mobile(number: str) -> Identity:
    """The identity of a phone number."""
    return Identity("mobile", "", number)


def normal_phone(text: str) -> str:
    """A mainland mobile as its 11 digits, any other number as + and digits. Raises PhoneInvalid; guesses nothing."""
    number = re.sub(r"[\s().·-]", "", unicodedata.normalize("NFKC", text))
    bare = re.sub(r"^(\+86|0086|86(?=1[3-9][0-9]{9}$))", "", number)
    if _MOBILE_CN.fullmatch(bare):
        return bare
    if number.startswith("00"):
        number = "+" + number[2:]
    if _ABROAD.fullmatch(number) and not number.startswith("+86"):
        return number
    raise PhoneInvalid()


def is_blocked(identity: Identity) -> bool:
    """Whether the value itself shows that it identifies nobody: 13800000000, all zeros, an empty word of a till."""
    if identity.kind == "mobile":
        return identity.value in _TEST_NUMBERS or _SAME_EIGHT.search(identity.value) is not None
    return set(identity.value) <= set("0 -") or identity.value.casefold() in {"null", "none", "unknown"}


@dataclass(frozen=True)
class Clash:
    """Why two persons must not become one: the kind (and namespace) of id that contradicts, or another reason."""

    reason: str
    namespace: str = ""


def clash(
    ids: Iterable[tuple[str, str, str]], other: Iterable[tuple[str, str, str]], *, by_phone: bool
) -> Clash | None:
    """What keeps the owners of two sets of stored keys apart; `by_phone`: they were brought together by a weak id."""
    mine, theirs = _by_namespace(ids), _by_namespace(other)
    shared = sorted(mine.keys() & theirs.keys())
    for judging in EXCLUSIVE if by_phone else PROOF:
        for kind, namespace in shared:
            if kind == judging and mine[kind, namespace] != theirs[kind, namespace]:
                return Clash(f"differing_{kind}", namespace)
    return over_limit({**dict.fromkeys(ids), **dict.fromkeys(other)})


def proof_clash(ids: Iterable[tuple[str, str, str]], other: Iterable[tuple[str, str, str]]) -> Clash | None:
    """What proves the owners of two sets of stored keys to be two humans, whoever says otherwise."""
    mine, theirs = _by_namespace(ids), _by_namespace(other)
    for kind, namespace in sorted(mine.keys() & theirs.keys()):
        if kind in PROOF and mine[kind, namespace] != theirs[kind, namespace]:
            return Clash(f"differing_{kind}", namespace)
    return None


def subtree(root: int, edges: Iterable[tuple[int, int]]) -> set[int]:
    """A person (or member) and all that was merged into it, by the standing merges (loser, winner)."""
    below: dict[int, list[int]] = {}
    for loser, winner in edges:
        below.setdefault(winner, []).append(loser)
    found, waiting = {root}, [root]
    while waiting:
        fresh = [one for one in below.get(waiting.pop(), ()) if one not in found]
        found.update(fresh)
        waiting += fresh
    return found


def masked_phone(phone: str) -> str:
    """A phone number as guides and pages see it: 138****5678."""
    digits = phone.lstrip("+")
    return f"{digits[:3]}****{digits[-4:]}"


def shown(identity: Identity) -> str:
    """An id as a list of ids shows it: a phone masked, of anything else the ends."""
    if identity.kind == "mobile":
        return masked_phone(identity.value)
    return identity.value if len(identity.value) <= 10 else f"{identity.value[:4]}…{identity.value[-4:]}"


def over_limit(ids: Iterable[tuple[str, str, str]]) -> Clash | None:
    """Whether one person would have more ids of a kind than a human has."""
    keys = set(ids)
    for kind, limit in LIMITS.items():
        if sum(key[0] == kind for key in keys) > limit:
            return Clash(f"too_many_{kind}")
    return None


def _by_namespace(ids: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for kind, namespace, value in ids:
        found.setdefault((kind, namespace), set()).add(value)
    return found
