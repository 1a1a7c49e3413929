"""Reads of coupons: at the till (hot pool), in the wallet, of campaigns."""

from .campaigns import CampaignLine, Offer, campaign, campaigns, claimable
from .till import ShownCoupon, by_code, codes_owned, groups_on, redemption, terms, version_terms
from .wallet import Card, card, counts, history, owned, wallet

__all__ = [
    "CampaignLine",
    "Card",
    "Offer",
    "ShownCoupon",
    "by_code",
    "campaign",
    "campaigns",
    "card",
    "claimable",
    "codes_owned",
    "counts",
    "groups_on",
    "history",
    "owned",
    "redemption",
    "terms",
    "version_terms",
    "wallet",
]
