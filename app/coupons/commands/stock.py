"""Many coupons out of a campaign's stock at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, text

from app.core.db import session

from ..models import CampaignStock

# Stripes are dealt with in order: what they held when they were locked says what each gives. The condition and the
# CHECK stand behind it.
_TAKE = text("""
WITH free AS (
  SELECT stripe, quota - issued AS left_over FROM campaign_stock
  WHERE campaign_id = :campaign_id AND issued < quota ORDER BY stripe FOR UPDATE
), dealt AS (
  SELECT stripe, least(left_over, greatest(0, :wanted - (sum(left_over) OVER (ORDER BY stripe) - left_over))) AS share
  FROM free
)
UPDATE campaign_stock s SET issued = s.issued + dealt.share
FROM dealt
WHERE s.campaign_id = :campaign_id AND s.stripe = dealt.stripe AND dealt.share > 0
  AND s.issued + dealt.share <= s.quota
RETURNING dealt.share
""")


def left(campaign_id: int) -> int:
    """How many coupons a campaign has left to give, at this moment."""
    return int(session.scalar(_left(campaign_id)) or 0)


def _left(campaign_id: int) -> Any:
    return select(func.sum(CampaignStock.quota - CampaignStock.issued)).where(CampaignStock.campaign_id == campaign_id)


def take_many(campaign_id: int, wanted: int) -> bool:
    """Take `wanted` coupons out of the stock in the open transaction. False when there were not so many: then it took
    what there was, and the caller rolls back.
    """
    if wanted == 0:
        return True
    taken = session.scalars(_TAKE, {"campaign_id": campaign_id, "wanted": wanted}).all()
    return sum(taken) == wanted
