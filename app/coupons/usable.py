"""Which of a member's coupons fit an order, best first, and why the others do not. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.core.errors import SiyuError

from . import rules
from .errors import BudgetSpent
from .queries.wallet import Card


class Place(NamedTuple):
    """Where an order is: a store with its dealer and region, or none (store_id 0) for an order of no store."""

    store_id: int
    dealer_id: int | None
    region_id: int | None
    channel: str


class Fit(NamedTuple):
    """A coupon beside an order: what it would take off in fen, in all and by line, or why it would not."""

    card: Card
    discount_fen: int
    lines: tuple[tuple[int, int], ...]
    refusal: SiyuError | None


def why_not(card: Card, *, at: datetime) -> SiyuError | None:
    """Why no order could use the coupon at this moment, whatever is in it; None when some could."""
    try:
        check(card, at=at)
    except SiyuError as refusal:
        return refusal
    return None


def check(card: Card, *, at: datetime, holder: str | None = None) -> None:
    """Raise the reason of `why_not`; `holder`: by what the order in question holds coupons."""
    rules.check_usable(card, at=at, holder=holder)
    rules.check_campaign(card.campaign_status)
    if card.budget_left == 0:
        raise BudgetSpent()
    _check_time(card, at, holder)


def check_there(card: Card, *, place: Place, at: datetime, order_no: str = "") -> None:
    """Raise the reason why the coupon cannot be used at a place, whatever is in the order: what a till looks at, in its
    order, before it looks at the goods.
    """
    holder = holder_of(card, place, order_no)
    rules.check_usable(card, at=at, holder=holder)
    rules.check_campaign(card.campaign_status)
    rules.check_place(card.terms, place)
    _check_time(card, at, holder)


def _check_time(card: Card, at: datetime, holder: str | None) -> None:
    """Raise CouponNotNow; an order that holds the coupon came at a time of the terms when it began to hold it."""
    until = card.locked_until
    if not (card.status == "locked" and until is not None and until > at and card.locked_order == holder):
        rules.check_time(card.terms, at)


def holder_of(card: Card, place: Place, order_no: str) -> str:
    """By what an order there would hold the coupon; who does not name the store means the order of this number."""
    if not place.store_id and rules.is_held_in(card.locked_order, place.channel, order_no):
        return card.locked_order or ""
    return rules.holder(place.channel, place.store_id, order_no)


def fits(
    cards: Sequence[Card], lines: Sequence[rules.Line], *, place: Place, at: datetime, order_no: str = ""
) -> list[Fit]:
    """Every coupon beside the order, each as if it were used alone.

    Best first: by discount, of equal ones the one that ends first, then the older. Those that do not fit follow: the
    ones that miss the least to their threshold, then by their end.
    """
    found = [_fit(card, lines, place, at, order_no) for card in cards]
    return sorted(found, key=_rank)


def _fit(card: Card, lines: Sequence[rules.Line], place: Place, at: datetime, order_no: str) -> Fit:
    try:
        check(card, at=at, holder=holder_of(card, place, order_no))
        rules.check_place(card.terms, place)
        quote = rules.quote(card.terms, lines)
        if card.budget_left is not None and quote.discount_fen > card.budget_left:
            raise BudgetSpent()
    except SiyuError as refusal:
        return Fit(card, 0, (), refusal)
    return Fit(card, quote.discount_fen, quote.lines, None)


def _rank(fit: Fit) -> tuple[int, int, datetime, int]:
    if fit.refusal is None:
        return 0, -fit.discount_fen, fit.card.valid_to, fit.card.coupon_id
    short = fit.refusal.data.get("short_fen")
    return (2, 0, *_end(fit)) if short is None else (1, int(short), *_end(fit))


def _end(fit: Fit) -> tuple[datetime, int]:
    return fit.card.valid_to, fit.card.coupon_id
