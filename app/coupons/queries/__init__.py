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
from .gifts import gift_rule, gift_rules, given_by_rules
from .guides import GuideOffer, GuideUse, givable, guide_limit, today, used_by_guides
from .issues import batch, batches, codes_used, push, pushes
from .names import names_of
from .offline import Quota, ToldOffline, offline_quotas, told_offline
from .till import ShownCoupon, by_code, codes_owned, groups_on, live_redemption, redemption, terms, version_terms
from .transfers import Offered, check_open, transfer, transfers
from .wallet import Card, card, counts, ending, history, owned, tabs, wallet

__all__ = [
    "CampaignLine",
    "Card",
    "GuideOffer",
    "GuideUse",
    "Offer",
    "Offered",
    "Part",
    "ShownCoupon",
    "Supply",
    "batch",
    "batches",
    "by_code",
    "campaign",
    "campaigns",
    "card",
    "check_open",
    "claimable",
    "codes_owned",
    "codes_used",
    "counts",
    "ending",
    "events",
    "gift_rule",
    "gift_rules",
    "given_by_rules",
    "givable",
    "groups_on",
    "guide_limit",
    "history",
    "live_redemption",
    "names_of",
    "owned",
    "policy",
    "push",
    "pushes",
    "redemption",
    "supply",
    "tabs",
    "terms",
    "today",
    "transfer",
    "transfers",
    "used_by_guides",
    "version_terms",
    "versions",
    "wallet",
    "Quota",
    "ToldOffline",
    "offline_quotas",
    "told_offline",
]
