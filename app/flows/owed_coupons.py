"""Coupons that members are owed: by an occasion, a tier, a step of a guide's."""

from __future__ import annotations

from app.core import log
from app.coupons import commands as coupons
from app.coupons.errors import LimitReached, PeriodLimitReached

_log = log.get("owed_coupons")


def give(
    *,
    brand_id: int,
    member_id: int,
    campaign_id: int,
    source: str,
    source_ref: str,
    guide_id: int | None = None,
    store_id: int | None = None,
) -> None:
    """Issue a coupon, as `coupons.issue` does. A member who has all this campaign allows is served; sold out needs a
    human.
    """
    try:
        coupons.issue(
            brand_id=brand_id,
            member_id=member_id,
            campaign_id=campaign_id,
            source=source,
            source_ref=source_ref,
            guide_id=guide_id,
            store_id=store_id,
        )
    except (LimitReached, PeriodLimitReached):
        _log.info("the member has all coupons of the campaign", owed=source_ref, campaign=campaign_id)
