"""Which of a member's coupons go together on an order: what several take off one after the other, and a best few of
those that fit. Pure: no database, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.core.errors import SiyuError

from . import rules
from .queries.wallet import Card
from .usable import Fit, Place, check_there

CANDIDATES = 20  # so many coupons are tried for a best combination
WORK = 10_000  # and no further start once so many coupons times lines were priced: a long order is not worth a second
MOST = 10  # so many coupons a till takes for one order: what is proposed can be used


def beside(
    cards: Sequence[Card],
    lines: Sequence[rules.Line],
    *,
    place: Place,
    at: datetime,
    order_no: str = "",
    off: Mapping[int, int] | None = None,
    groups: Sequence[str] = (),
) -> rules.Turns:
    """What these coupons take off an order together, as the till's validate answers; in whatever order they are told.

    Those that take off come first, in their order; then those that do not. `off` and `groups`: as of
    rules.take_turns.
    """
    good, refused = [], []
    for card in cards:
        try:
            check_there(card, place=place, at=at, order_no=order_no)
        except SiyuError as refusal:
            refused.append(rules.Turn(_candidate(card), 0, rules.NOTHING, refusal))
        else:
            good.append(_candidate(card))
    found = rules.take_turns(good, lines, off=off, groups=groups)
    told = sorted([*found.turns, *refused], key=lambda turn: (not turn.position, rules.place_in_order(turn.coupon)))
    return found._replace(turns=tuple(told))


def best(fits: Sequence[Fit], lines: Sequence[rules.Line]) -> rules.Turns | None:
    """A best combination of the coupons that fit an order; None when none does. Never less than the best one alone.

    The first CANDIDATES of them, as `usable.fits` ranks them, are each tried as a start, to which those that go with
    all before are added in that rank as long as the total grows and each still takes something off, up to MOST. The
    greatest total wins, of equal ones that of fewer coupons, then that of the better start. Of coupons with the same
    terms, which exclude each other, only the first is tried. No further start is tried after WORK.
    """
    first: dict[tuple[int, int], rules.Candidate] = {}
    for fit in fits:
        if fit.refusal is None:
            first.setdefault((fit.card.campaign_id, fit.card.version), _candidate(fit.card))
    tried = list(first.values())[:CANDIDATES]
    prices = _Prices(lines)
    found = []
    for start in tried:
        if prices.work < WORK and (turns := _grown(start, tried, prices)):
            found.append(turns)
    return min(found, key=lambda turns: (-turns.discount_fen, len(turns.turns)), default=None)


class _Prices:
    """What sets of coupons take off an order: many starts come by the same sets."""

    def __init__(self, lines: Sequence[rules.Line]) -> None:
        self.work = 0  # coupons times lines
        self._lines = lines
        self._known: dict[frozenset[int], rules.Turns | None] = {}

    def of(self, coupons: Sequence[rules.Candidate]) -> rules.Turns | None:
        """What they take off together; None when one of them takes off nothing."""
        key = frozenset(one.coupon_id for one in coupons)
        if key not in self._known:
            self.work += len(coupons) * len(self._lines)
            turns = rules.take_turns(coupons, self._lines)
            self._known[key] = None if any(turn.refusal for turn in turns.turns) else turns
        return self._known[key]


def _grown(start: rules.Candidate, tried: Sequence[rules.Candidate], prices: _Prices) -> rules.Turns | None:
    """The start, with what makes the total grow beside it."""
    chosen, found = [start], prices.of([start])
    for one in tried:
        if found is None or len(chosen) == MOST:
            break
        if rules.may_join(one.terms, [old.terms.stack_group for old in chosen]):
            more = prices.of([*chosen, one])
            if more is not None and more.discount_fen > found.discount_fen:
                chosen, found = [*chosen, one], more
    return found


def _candidate(card: Card) -> rules.Candidate:
    return rules.Candidate(card.coupon_id, card.valid_to, card.terms, card.budget_left)
