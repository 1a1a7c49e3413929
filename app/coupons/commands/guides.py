"""Guides give coupons: so many a day where the campaign says so, and each counted for the guide."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock
from app.core.db import session
from app.members import family

from .. import queries
from ..errors import GuideQuotaReached
from ..issue_models import GuideCouponLimit, GuideCouponQuota
from ..models import Coupon
from .take import issue

SOURCE = "guide"


def limit_guides(*, brand_id: int, campaign_id: int, per_day: int | None, changed_by: str) -> None:
    """Say how many coupons of a campaign one guide may give a day; None: as many as there are. CampaignUnknown."""
    queries.campaign(brand_id, campaign_id)
    if per_day is None:
        session.execute(
            delete(GuideCouponLimit).where(
                GuideCouponLimit.brand_id == brand_id, GuideCouponLimit.campaign_id == campaign_id
            ),
            execution_options={"synchronize_session": False},
        )
        return
    said = {"per_day": per_day, "changed_by": changed_by, "changed_at": clock.now()}
    session.execute(
        insert(GuideCouponLimit)
        .values(brand_id=brand_id, campaign_id=campaign_id, **said)
        .on_conflict_do_update(index_elements=["brand_id", "campaign_id"], set_=said)
    )


def give_by_guide(
    *, brand_id: int, member_id: int, campaign_id: int, guide_id: int, source_ref: str, store_id: int | None = None
) -> int:
    """A guide of a store gives a member a coupon in the open transaction; its id, the same one for the same reference.

    Raises GuideQuotaReached with what the day allows, and what `issue` raises; then nothing was counted.
    """
    before = _given(brand_id, member_id, source_ref)
    if before is not None:
        return before
    limit = queries.guide_limit(brand_id, campaign_id)
    with session.begin_nested():
        if not _count(brand_id, guide_id, campaign_id, limit):
            raise GuideQuotaReached(per_day=limit)
        return issue(
            brand_id=brand_id,
            member_id=member_id,
            campaign_id=campaign_id,
            source=SOURCE,
            source_ref=source_ref,
            guide_id=guide_id,
            store_id=store_id,
        )


def _count(brand_id: int, guide_id: int, campaign_id: int, limit: int | None) -> bool:
    """Count one coupon of the guide's day; False when the day allows no more. One statement, however many ask."""
    if limit == 0:
        return False
    row = insert(GuideCouponQuota).values(
        brand_id=brand_id, guide_id=guide_id, campaign_id=campaign_id, day=queries.today(brand_id), used=1
    )
    counted = session.scalar(
        row.on_conflict_do_update(
            index_elements=["brand_id", "guide_id", "campaign_id", "day"],
            set_={"used": GuideCouponQuota.used + 1},
            where=None if limit is None else GuideCouponQuota.used < limit,
        ).returning(GuideCouponQuota.used),
        execution_options={"populate_existing": True},
    )
    return counted is not None


def _given(brand_id: int, member_id: int, source_ref: str) -> int | None:
    return session.scalar(
        select(Coupon.coupon_id).where(
            Coupon.brand_id == brand_id,
            Coupon.member_id.in_(family.family(brand_id, member_id).homes),
            Coupon.source == SOURCE,
            Coupon.source_ref == source_ref,
        )
    )
