"""Coupons that members are owed: by an occasion, a tier, a step of a guide's.

What cannot be given now but can be later (the campaign is paused, its stock of the day is gone) waits as work that
waits for the campaign, and is tried again once that gives coupons.
"""

from __future__ import annotations

from sqlalchemy import select

from app.core import clock, log, outbox, work
from app.core.db import session
from app.core.outbox import Delivery
from app.core.slots import Slot
from app.coupons import commands as coupons
from app.coupons import queries
from app.coupons.commands.stock import Day, left, left_today
from app.coupons.errors import CampaignPaused, LimitReached, PeriodLimitReached, SoldOutToday
from app.coupons.events import CampaignSwitched, WaitersDue
from app.coupons.models import Campaign
from app.coupons.rules import local_day

CHUNK = 5_000
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
    """Issue a coupon, as `coupons.issue` does. A member who has all this campaign allows is served; a campaign that is
    paused or has given out the day's stock is waited for; sold out needs a human.
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
    except (CampaignPaused, SoldOutToday) as error:
        raise work.Waits(error.code, campaign_id) from error


def wake(event: CampaignSwitched | WaitersDue) -> None:
    """Let a chunk of those who wait for a campaign try again, as far as it gives coupons; a full one is followed by
    another.
    """
    most = _may_try(event.brand_id, event.campaign_id)
    if most and work.wake(Delivery, event.campaign_id, limit=most) == CHUNK:
        outbox.emit(WaitersDue(brand_id=event.brand_id, campaign_id=event.campaign_id))


def look_again(slot: Slot) -> None:
    """Slot coupons.waiters: campaigns that are waited for and give coupons, as there is a new day, or as the news that
    they go on came before somebody began to wait.
    """
    waited_for = select(Delivery.waits_for).where(Delivery.status == "waiting").distinct()
    found = session.execute(select(Campaign.brand_id, Campaign.campaign_id).where(Campaign.campaign_id.in_(waited_for)))
    for brand_id, campaign_id in found.all():
        if _may_try(brand_id, campaign_id):
            outbox.emit(WaitersDue(brand_id=brand_id, campaign_id=campaign_id))


def _may_try(brand_id: int, campaign_id: int) -> int:
    """How many at once may try to get a coupon now: nobody while the campaign is paused, and no more than there are
    for today. Where there are none for any day, or never any more, they may, and are told so.
    """
    campaign = queries.campaign(brand_id, campaign_id)
    session.refresh(campaign)
    if campaign.status == "paused":
        return 0
    terms = queries.version_terms(brand_id, campaign_id, campaign.version)
    today = left_today(campaign_id, Day(local_day(terms, clock.now()), campaign.day_quota))
    if today is None or campaign.status != "active" or left(campaign_id) == 0:
        return CHUNK
    return max(0, min(today, CHUNK))
