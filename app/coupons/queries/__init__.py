"""Reads of coupons: at the till (hot pool), in the wallet, of campaigns."""

from .campaigns import (
    CampaignLine,
    Offer,
    Part,
    Supply,
    campaign,
    campaigns,
    claimable,
    events,
    policy,
    supply,
    versions,
)
from .till import ShownCoupon, by_code, codes_owned, groups_on, redemption, terms, version_terms
from .wallet import Card, card, counts, history, owned, wallet

__all__ = [
    "CampaignLine",
    "Card",
    "Offer",
    "Part",
    "ShownCoupon",
    "Supply",
    "by_code",
    "campaign",
    "campaigns",
    "card",
    "claimable",
    "codes_owned",
    "counts",
    "events",
    "groups_on",
    "history",
    "owned",
    "policy",
    "redemption",
    "supply",
    "terms",
    "version_terms",
    "versions",
    "wallet",
]
