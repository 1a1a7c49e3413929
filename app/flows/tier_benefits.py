"""What a tier gives: granted once per member, benefit and period, then delivered benefit by benefit.

A grant and its delivery are two steps, so that a sold-out campaign holds up its own coupon only; that delivery is laid
aside and can be revived when there is stock again.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from app.core import clock, outbox
from app.members import family
from app.org import queries as org
from app.points import commands as points
from app.points import queries as points_queries
from app.points.models import POINTS
from app.tiers import commands as tiers
from app.tiers import queries as tiers_queries
from app.tiers.events import BenefitGranted, BenefitsDue, Upgraded
from app.tiers.rules import period_name

from . import owed_coupons

CHUNK = 200
RECURRING = ("monthly", "yearly")


def grant_all(event: Upgraded) -> None:
    """A member reached a tier: grant everything it gives for the present period."""
    assert event.member_id is not None
    if family.erased(event.brand_id, event.member_id):
        return
    now, zone = clock.now(), ZoneInfo(org.brand(event.brand_id).timezone)
    for benefit in tiers_queries.benefits_of(event.brand_id, event.tier_id):
        tiers.grant(
            brand_id=event.brand_id,
            member_id=event.member_id,
            benefit=benefit,
            period=period_name(benefit.period, now, zone),
        )


def grant_recurring(event: BenefitsDue) -> None:
    """Grant one chunk of members the period's benefits of the tiers they have; a full chunk is followed by another."""
    zone = ZoneInfo(org.brand(event.brand_id).timezone)
    at = datetime.fromisoformat(event.at)
    periods = {period: period_name(period, at, zone) for period in RECURRING}
    owed = tiers_queries.ungranted(event.brand_id, periods=periods, limit=CHUNK)
    for member_id, benefit in owed:
        tiers.grant(brand_id=event.brand_id, member_id=member_id, benefit=benefit, period=periods[benefit.period])
    if len(owed) == CHUNK:
        outbox.emit(event)


def deliver(event: BenefitGranted) -> None:
    """Give the coupon or the points of one granted benefit, unless the member was forgotten since; the grant's name
    makes it happen once.
    """
    assert event.member_id is not None
    if family.erased(event.brand_id, event.member_id):
        return
    cause = f"benefit:{event.benefit_id}:{event.period}"
    if event.campaign_id is not None:
        owed_coupons.give(
            brand_id=event.brand_id,
            member_id=event.member_id,
            campaign_id=event.campaign_id,
            source="tier",
            source_ref=cause,
        )
    if event.points is not None:
        now, rule = clock.now(), points_queries.rule(event.brand_id)
        points.earn(
            brand_id=event.brand_id,
            member_id=event.member_id,
            currency=POINTS,
            amount=event.points,
            cause=cause,
            at=now,
            expires_at=rule.end(now) if rule else None,
        )
