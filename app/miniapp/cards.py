"""A coupon as the mini-program shows it (`app.coupons.cards` makes it). What people read comes as Chinese sentences, to
be shown as they are.
"""

from __future__ import annotations

from apiflask import Schema, fields

from app.core.fields import PublicId


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
