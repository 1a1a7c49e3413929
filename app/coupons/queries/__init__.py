"""Reads of coupons: at the till (hot pool), in the wallet, of campaigns."""

from .campaigns import CampaignLine, Offer, campaign, campaigns, claimable
from .gifts import gift_rule, gift_rules
from .guides import GuideOffer, GuideUse, givable, guide_limit, today, used_by_guides
from .issues import batch, batches, push, pushes, used_codes
from .till import ShownCoupon, by_code, redemption, terms, version_terms
from .transfers import Offered, check_open, transfer, transfers
from .wallet import Card, card, counts, history, owned, wallet

__all__ = [
    "CampaignLine",
    "Card",
    "GuideOffer",
    "GuideUse",
    "Offer",
    "Offered",
    "ShownCoupon",
    "batch",
    "batches",
    "by_code",
    "campaign",
    "campaigns",
    "card",
    "check_open",
    "claimable",
    "counts",
    "gift_rule",
    "gift_rules",
    "givable",
    "guide_limit",
    "history",
    "owned",
    "push",
    "pushes",
    "redemption",
    "terms",
    "today",
    "transfer",
    "transfers",
    "used_by_guides",
    "used_codes",
    "version_terms",
    "wallet",
]
