"""What the world hears of coupons. Amounts in fen, ids are integers."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class Issued(Event):
    """A member has a new coupon: claimed, or given by `source` (see rules.SOURCES).

    Not told of the coupons of a push, which are told of chunk by chunk (PushAdvanced).
    """

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


@dataclass(frozen=True, kw_only=True)
class Voided(Event):
    """A coupon can no longer be used: its campaign was withdrawn, or it was given to a friend."""

    name = "coupons.voided"

    coupon_id: int
    campaign_id: int


@dataclass(frozen=True, kw_only=True)
class PushAdvanced(Event):
    """A push was begun, or came one chunk further and gave out `issued` coupons; it asks for the next chunk."""

    name = "coupons.push_advanced"

    push_id: int
    campaign_id: int
    issued: int = 0


@dataclass(frozen=True, kw_only=True)
class GiftDue(Event):
    """A member is owed a coupon of the campaign, by a rule, on an occasion (see gift_rules)."""

    name = "coupons.gift_due"

    rule_id: int
    campaign_id: int
    kind: str
    occasion: str


@dataclass(frozen=True, kw_only=True)
class WaitersDue(Event):
    """Those who are owed a coupon of the campaign, and wait until it gives some again, are to be dealt with."""

    name = "coupons.waiters_due"

    campaign_id: int


@dataclass(frozen=True, kw_only=True)
class BirthdaysDue(Event):
    """Members after the id `after` are to be looked through for a rule's birthdays of a local day (ISO 8601)."""

    name = "coupons.birthdays_due"

    rule_id: int
    day: str
    after: int = 0


@dataclass(frozen=True, kw_only=True)
class CodesDue(Event):
    """A batch wants its next redeem codes made."""

    name = "coupons.codes_due"

    batch_id: int
