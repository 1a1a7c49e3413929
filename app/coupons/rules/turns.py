"""Several coupons on one order: in what order they take off, and what each does beside those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.core.errors import SiyuError

from ..errors import BudgetSpent
from .basket import ORDER, Line, Quote, after, check_stack, less, quote
from .terms import Terms

NOTHING = Quote(0, ())


class Candidate(NamedTuple):
    """A coupon that could be used for an order. `budget_left`: what its campaign may still take off in fen, None: as
    much as it likes.
    """

    coupon_id: int
    valid_to: datetime
    terms: Terms
    budget_left: int | None


class Turn(NamedTuple):
    """What became of a coupon of an order: as which it takes off, from 1, and how much; 0 and why it takes off
    nothing.
    """

    coupon: Candidate
    position: int
    quote: Quote
    refusal: SiyuError | None


class Turns(NamedTuple):
    """What coupons take off an order one after the other. `turns`: in the order in which they were looked at. `whole`
    and `left`: what the lines cost before the first of them and after the last.
    """

    turns: tuple[Turn, ...]
    whole: tuple[Line, ...]
    left: tuple[Line, ...]

    @property
    def lines(self) -> tuple[tuple[int, int], ...]:
        """What they take off together, by the lines (line_no, fen) they touch."""
        off = ((old.line_no, old.amount_fen - new.amount_fen) for old, new in zip(self.whole, self.left, strict=True))
        return tuple((line_no, fen) for line_no, fen in off if fen)

    @property
    def discount_fen(self) -> int:
        return sum(fen for _, fen in self.lines)

    @property
    def payable_fen(self) -> int:
        return sum(line.amount_fen for line in self.left)


def place_in_order(coupon: Candidate) -> tuple[int, datetime, int]:
    """By what the coupons of an order are sorted: never by how they were told."""
    return ORDER.index(coupon.terms.kind), coupon.valid_to, coupon.coupon_id


def take_turns(
    coupons: Iterable[Candidate],
    lines: Sequence[Line],
    *,
    off: Mapping[int, int] | None = None,
    groups: Sequence[str] = (),
) -> Turns:
    """Each coupon of an order in its turn, on what the ones before it left.

    `lines`: the order before any coupon. `off` and `groups`: what coupons used on it before took off, by line, and
    their stacking groups. A coupon that may not join, or finds nothing to take off, is answered with its reason and
    stands in nobody's way.
    """
    whole = left = less(lines, off or {})
    taken, turns = list(groups), []
    position = 0
    for coupon in sorted(coupons, key=place_in_order):
        try:
            check_stack(coupon.terms, taken)
            found = quote(coupon.terms, left, whole=lines)
            if coupon.budget_left is not None and found.discount_fen > coupon.budget_left:
                raise BudgetSpent()
        except SiyuError as refused:
            turns.append(Turn(coupon, 0, NOTHING, refused))
            continue
        position += 1
        turns.append(Turn(coupon, position, found, None))
        left = after(left, found)
        taken.append(coupon.terms.stack_group)
    return Turns(tuple(turns), tuple(whole), tuple(left))
