"""Whether the holder of a phone is the person it is known by. Pure: no database, no clock.

Operators give a number to somebody else 90 days after it was given back. So whoever proves a phone is not always whom
the till knew by it, and a wallet must not go along with a number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from hmac import compare_digest

LONG_UNSEEN = timedelta(days=365)
CLAIM_LIFE = timedelta(minutes=30)  # how long the proof that somebody holds the phone stays fresh
MOST_TRIES = 3  # of one claim
MOST_TRIES_A_DAY = 9  # about one holder, by whomever
MOST_MOVES = 2  # of one number within MOVES_WITHIN; more than that and a human looks
MOVES_WITHIN = timedelta(days=365)


@dataclass(frozen=True)
class Facts:
    """What is known of the two persons. `clash`: why some id of theirs contradicts, `unseen`: how long the one behind
    the number has given no sign, `wallet`: they have points or coupons somewhere.
    """

    kept_apart: bool
    clash: str | None
    two_members: bool
    wallet: bool
    unseen: timedelta


def doubt(facts: Facts) -> str | None:
    """Why the two may be different humans, in one word; None when the phone may join them, as a first binding does."""
    if facts.kept_apart:
        return "kept_apart"
    if facts.clash is not None and facts.clash.startswith("differing_"):
        return facts.clash
    if facts.two_members:
        return "two_members"
    if facts.wallet and facts.unseen > LONG_UNSEEN:
        return "long_unseen"
    return None


@dataclass(frozen=True)
class Held:
    """What the record behind the number can be recognised by. `cards`: card numbers and the member number."""

    cards: frozenset[str]
    birthday: date | None
    name: str | None

    @property
    def proofs(self) -> list[str]:
        """What may be asked for; a proof is a card and one of the others, so without both there is none."""
        others = [name for name in ("birthday", "name") if getattr(self, name)]
        return ["card_no", *others] if self.cards and others else []


def proves(held: Held, *, card_no: str, birthday: date | None, name: str | None) -> bool:
    """Whether somebody knows the record: one of its cards, and the birthday or the name. All that is given must fit."""
    if not held.proofs or not _among(card_no, held.cards) or (birthday is None and name is None):
        return False
    right_birthday = birthday is None or birthday == held.birthday
    right_name = name is None or (held.name is not None and _same(name, held.name))
    return right_birthday and right_name


def _among(text: str, wanted: Collection[str]) -> bool:
    return sum(_same(text, one) for one in wanted) > 0  # all are compared, so time does not tell which was near


def _same(one: str, other: str) -> bool:
    return compare_digest(_plain(one).encode(), _plain(other).encode())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace(" ", "").casefold()
