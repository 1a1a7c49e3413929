"""Many coupons out of a campaign's stock at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select, text

from app.core.db import session

from ..models import CampaignDay, CampaignStock

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


_TAKE_OF_DAY = text("""
INSERT INTO campaign_day AS d (campaign_id, day, brand_id, quota, issued)
SELECT :campaign_id, :day, :brand_id, :quota, :wanted WHERE :wanted <= :quota
ON CONFLICT (campaign_id, day) DO UPDATE SET issued = d.issued + excluded.issued
WHERE d.issued + excluded.issued <= d.quota
RETURNING d.issued
""")


@dataclass(frozen=True)
class Day:
    """The local day of a campaign that gives out `quota` coupons a day; `quota` None: as many as there are."""

    day: date
    quota: int | None


def left(campaign_id: int) -> int:
    """How many coupons a campaign has left to give, at this moment."""
    rows = select(func.sum(CampaignStock.quota - CampaignStock.issued)).where(CampaignStock.campaign_id == campaign_id)
    return int(session.scalar(rows) or 0)


def left_today(campaign_id: int, day: Day) -> int | None:
    """How many of them on the day; None where days have no stock of their own."""
    if day.quota is None:
        return None
    row = session.get(CampaignDay, (campaign_id, day.day), populate_existing=True)
    return day.quota if row is None else row.quota - row.issued


def take_many(*, brand_id: int, campaign_id: int, day: Day, wanted: int) -> bool:
    """Take `wanted` coupons out of the day's stock and the campaign's in the open transaction. False when there were
    not so many: then it took what there was, and the caller rolls back.
    """
    if wanted == 0:
        return True
    asked = {"campaign_id": campaign_id, "wanted": wanted}
    if day.quota is not None:
        of_day = asked | {"brand_id": brand_id, "day": day.day, "quota": day.quota}
        if session.execute(_TAKE_OF_DAY, of_day).one_or_none() is None:
            return False
    return sum(session.scalars(_TAKE, asked)) == wanted
