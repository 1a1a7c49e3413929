"""What guides may give, and what they have given today."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select, true

from app.core import clock
from app.core.db import session
from app.org import queries as org
from app.org.models import Guide

from ..issue_models import GuideCouponLimit, GuideCouponQuota
from .campaigns import Offer, claimable


def guide_limit(brand_id: int, campaign_id: int) -> int | None:
    """How many of a campaign one guide may give a day, None without a limit."""
    return session.scalar(
        select(GuideCouponLimit.per_day).where(
            GuideCouponLimit.brand_id == brand_id, GuideCouponLimit.campaign_id == campaign_id
        )
    )


class GuideOffer(NamedTuple):
    """What a guide may give, and how many of it today: None without a limit."""

    offer: Offer
    left_today: int | None


def givable(brand_id: int, member_id: int, guide_id: int, store_id: int) -> list[GuideOffer]:
    """The open campaigns a guide may give from: those that members claim from, and those made for guides.
    `store_id`: the guide's.
    """
    limits = _limits(brand_id)
    used = _used_today(brand_id, guide_id)
    for_guides = [one for one, per_day in limits.items() if per_day > 0]
    found = claimable(brand_id, member_id, also=for_guides, store_id=store_id)
    return [
        GuideOffer(
            one,
            max(0, limits[one.campaign_id] - used.get(one.campaign_id, 0)) if one.campaign_id in limits else None,
        )
        for one in found
        if limits.get(one.campaign_id) != 0
    ]


class GuideUse(NamedTuple):
    """What one guide gave of a campaign today."""

    guide_id: int
    name: str
    store_id: int
    used: int


def used_by_guides(brand_id: int, campaign_id: int, within: ColumnElement[bool] | None = None) -> list[GuideUse]:
    """Which guides gave how many of a campaign today, most first; `within` keeps to some guides."""
    rows = session.execute(
        select(Guide.id, Guide.name, Guide.store_id, GuideCouponQuota.used)
        .join(Guide, Guide.id == GuideCouponQuota.guide_id)
        .where(
            GuideCouponQuota.brand_id == brand_id,
            GuideCouponQuota.campaign_id == campaign_id,
            GuideCouponQuota.day == today(brand_id),
            true() if within is None else within,
        )
        .order_by(GuideCouponQuota.used.desc(), Guide.id)
    )
    return [GuideUse(*row) for row in rows]


def today(brand_id: int) -> date:
    """The present day of the brand."""
    return clock.now().astimezone(ZoneInfo(org.brand(brand_id).timezone)).date()


def _limits(brand_id: int) -> Mapping[int, int]:
    rows = session.execute(
        select(GuideCouponLimit.campaign_id, GuideCouponLimit.per_day).where(GuideCouponLimit.brand_id == brand_id)
    )
    return dict(rows.all())


def _used_today(brand_id: int, guide_id: int) -> Mapping[int, int]:
    rows = session.execute(
        select(GuideCouponQuota.campaign_id, GuideCouponQuota.used).where(
            GuideCouponQuota.brand_id == brand_id,
            GuideCouponQuota.guide_id == guide_id,
            GuideCouponQuota.day == today(brand_id),
        )
    )
    return dict(rows.all())
