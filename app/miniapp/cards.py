"""A coupon as the mini-program shows it. What people read comes as Chinese sentences, to be shown as they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiflask import Schema, fields

from app.core import clock
from app.core.errors import SiyuError
from app.core.fields import PublicId
from app.coupons import queries as coupons
from app.coupons import rules, usable, wording


class WhyOut(Schema):
    """Why a coupon cannot be used: a stable code, and a sentence in Chinese to show as it is."""

    code = fields.String(metadata={"example": "threshold_not_met"})
    words = fields.String(metadata={"example": "还差¥12.00，满¥300可用"})
    data = fields.Dict(metadata={"description": "Facts behind the words, for example short_fen."})


class TermsOut(Schema):
    """Amounts in fen, shares in basis points; `summary` says the same in words."""

    kind = fields.String(metadata={"description": "amount, threshold, percent, gift or shipping."})
    summary = fields.String(metadata={"example": "满¥300减¥50"})
    amount_fen = fields.Integer()
    threshold_fen = fields.Integer()
    percent_bp = fields.Integer(metadata={"description": "The share taken off: 1500 is 15 % off."})
    cap_fen = fields.Integer(allow_none=True)
    conditions = fields.List(fields.String(), metadata={"description": "What else holds, in words."})


class CardOut(TermsOut):
    id = PublicId("cpn", attribute="coupon_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    name = fields.String()
    status = fields.String(metadata={"description": "claimed, locked, redeemed, returned, expired or voided."})
    usable = fields.Boolean(metadata={"description": "Whether a till would take it at this moment."})
    source = fields.String()
    claimed_at = fields.AwareDateTime()
    valid_from = fields.AwareDateTime()
    valid_to = fields.AwareDateTime()
    days_left = fields.Integer(metadata={"description": "Local days to the last one: 0 is today, below 0 over."})
    expiry = fields.String(metadata={"example": "还剩3天"})
    why = fields.Nested(WhyOut, allow_none=True, metadata={"description": "Why it is not usable at this moment."})


def terms_view(terms: rules.Terms, conditions: list[str]) -> dict[str, Any]:
    return {
        "kind": terms.kind,
        "summary": wording.offer(terms),
        "amount_fen": terms.amount_fen,
        "threshold_fen": terms.threshold_fen,
        "percent_bp": terms.percent_bp,
        "cap_fen": terms.cap_fen,
        "conditions": conditions,
    }


def cards_view(brand_id: int, cards: Sequence[coupons.Card]) -> list[dict[str, Any]]:
    now, names = clock.now(), coupons.names_of(brand_id, (card.terms for card in cards))
    return [card_view(card, now, names, usable.why_not(card, at=now)) for card in cards]


def card_view(card: coupons.Card, now: datetime, names: wording.Names, refusal: SiyuError | None) -> dict[str, Any]:
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
        "source": card.source,
        "claimed_at": card.claimed_at,
        "valid_from": card.valid_from,
        "valid_to": card.valid_to,
    }


def _why(card: coupons.Card, refusal: SiyuError | None, names: wording.Names) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {"code": refusal.code, "words": wording.refusal(refusal, card.terms, names), "data": refusal.data}
