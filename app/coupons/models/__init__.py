"""Tables of coupons. The constraints here are the second line of every guard in commands."""

from .campaigns import (
    CAMPAIGN_STATUSES,
    Campaign,
    CampaignAllocation,
    CampaignBudget,
    CampaignDay,
    CampaignEvent,
    CampaignPolicy,
    CampaignStock,
    CampaignVersion,
)
from .coupons import (
    Coupon,
    CouponCode,
    CouponEvent,
)
from .redemptions import (
    OfflineQuota,
    OfflineReceipt,
    OrderDiscount,
    Redemption,
    RedemptionLine,
    RedemptionRefund,
)

__all__ = [
    "CAMPAIGN_STATUSES",
    "Campaign",
    "CampaignAllocation",
    "CampaignBudget",
    "CampaignDay",
    "CampaignEvent",
    "CampaignPolicy",
    "CampaignStock",
    "CampaignVersion",
    "Coupon",
    "CouponCode",
    "CouponEvent",
    "OfflineQuota",
    "OfflineReceipt",
    "OrderDiscount",
    "Redemption",
    "RedemptionLine",
    "RedemptionRefund",
]
