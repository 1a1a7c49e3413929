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
class Refunded(Event):
    """Part of what a redemption took off was given back with the goods of a refund."""

    name = "coupons.refunded"

    coupon_id: int
    redemption_id: int
    refund_no: str
    order_no: str
    store_id: int
    fen: int


@dataclass(frozen=True, kw_only=True)
class CampaignSwitched(Event):
    """A campaign came into another state. `member_id` is None: it concerns everybody."""

    name = "coupons.campaign_switched"

    campaign_id: int
    status: str


@dataclass(frozen=True, kw_only=True)
class OfflineConflict(Event):
    """A coupon that a store took while it was offline had been used by others before."""

    name = "coupons.offline_conflict"

    coupon_id: int
    store_id: int
    receipt_no: str
    discount_fen: int
    over: bool


@dataclass(frozen=True, kw_only=True)
class Expired(Event):
    """A coupon's validity ended unused."""

    name = "coupons.expired"

    coupon_id: int
    campaign_id: int
