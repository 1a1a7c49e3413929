"""Reads of coupons: at the till (hot pool), in the wallet, of campaigns."""

from .campaigns import CampaignLine, Offer, campaign, campaigns, claimable
from .names import names_of
from .till import ShownCoupon, by_code, codes_owned, groups_on, redemption, terms, version_terms
from .wallet import Card, card, counts, ending, history, owned, tabs, wallet

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
    "ending",
    "groups_on",
    "history",
    "names_of",
    "owned",
    "redemption",
    "tabs",
    "terms",
    "version_terms",
    "wallet",
]
