"""Which of a member's coupons go together on an order: what several take off one after the other. Pure: no
database, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.core.errors import SiyuError

from . import rules
from .queries.wallet import Card
from .usable import Place, check_there


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


def _candidate(card: Card) -> rules.Candidate:
    return rules.Candidate(card.coupon_id, card.valid_to, card.terms, card.budget_left)
