"""What the world hears of coupons. Amounts in fen, ids are integers."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class Issued(Event):
    """A member has a new coupon: claimed, or given by `source` (self, sop, tier, push, admin)."""

    name = "coupons.issued"

    coupon_id: int
    campaign_id: int
    source: str
    guide_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Redeemed(Event):
    """A coupon was used for an order in a store."""

    name = "coupons.redeemed"

    coupon_id: int
    campaign_id: int
    redemption_id: int
    order_no: str
    store_id: int
    discount_fen: int


@dataclass(frozen=True, kw_only=True)
class Returned(Event):
    """A redemption was given back; the coupon may be used again while it is valid."""

    name = "coupons.returned"

    coupon_id: int
    campaign_id: int
    redemption_id: int
    order_no: str
    store_id: int
    discount_fen: int


@dataclass(frozen=True, kw_only=True)
class Expired(Event):
    """A coupon's validity ended unused."""

    name = "coupons.expired"

    coupon_id: int
    campaign_id: int
