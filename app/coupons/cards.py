"""A coupon as people are shown it: its owner, the guide beside the chat and headquarters read the same words.

Each audience answers with what its own schema has of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.core import clock
from app.core.errors import SiyuError

from . import queries, rules, usable, wording


def terms_view(terms: rules.Terms, conditions: list[str]) -> dict[str, Any]:
    """What terms take off; `conditions`: what else holds, in words."""
    return {
        "kind": terms.kind,
        "summary": wording.offer(terms),
        "amount_fen": terms.amount_fen,
        "threshold_fen": terms.threshold_fen,
        "percent_bp": terms.percent_bp,
        "cap_fen": terms.cap_fen,
        "conditions": conditions,
    }


def cards_view(brand_id: int, cards: Sequence[queries.Card]) -> list[dict[str, Any]]:
    """A member's coupons at this moment, each as `card_view` makes it."""
    now, names = clock.now(), queries.names_of(brand_id, (card.terms for card in cards))
    return [card_view(card, now, names, usable.why_not(card, at=now)) for card in cards]


def card_view(card: queries.Card, now: datetime, names: wording.Names, refusal: SiyuError | None) -> dict[str, Any]:
    """A coupon at a moment; `why` is the code, words and facts of why it cannot be used then, or None."""
    timezone = card.terms.timezone
    return {
        **terms_view(card.terms, wording.conditions(card.terms, names)),
        "coupon_id": card.coupon_id,
        "campaign_id": card.campaign_id,
        "name": card.name,
        "status": card.status,
        "usable": refusal is None,
        "why": _why(card, refusal, names),
        "days_left": wording.days_left(card.valid_to, now, timezone),
        "expiry": wording.expiry(card.valid_from, card.valid_to, now, timezone),
        "end": wording.end(card.valid_to, timezone),
        "source": card.source,
        "claimed_at": card.claimed_at,
        "valid_from": card.valid_from,
        "valid_to": card.valid_to,
    }


def _why(card: queries.Card, refusal: SiyuError | None, names: wording.Names) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {"code": refusal.code, "words": wording.refusal(refusal, card.terms, names), "data": refusal.data}
