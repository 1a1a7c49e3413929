"""Campaigns, read in the open session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, or_, select

from app.core.db import session

from ..errors import CampaignUnknown
from ..models import Campaign, CampaignStock, Coupon
from ..rules import Terms
from .till import terms


class Offer(NamedTuple):
    """A campaign a member may claim from; `left` is its stock, `taken` how many the member has had."""

    campaign_id: int
    name: str
    kind: str
    terms: Terms
    left: int
    taken: int


def claimable(brand_id: int, member_id: int, *, also: Sequence[int] = ()) -> list[Offer]:
    """The brand's campaigns that members claim from by themselves, sold-out ones included (left = 0); `also`: other
    campaigns, as far as they are open.
    """
    stock = (
        select(CampaignStock.campaign_id, func.sum(CampaignStock.quota - CampaignStock.issued).label("left_over"))
        .where(CampaignStock.brand_id == brand_id)
        .group_by(CampaignStock.campaign_id)
        .subquery()
    )
    taken = (
        select(Coupon.campaign_id, func.count().label("taken"))
        .where(Coupon.brand_id == brand_id, Coupon.member_id == member_id)
        .group_by(Coupon.campaign_id)
        .subquery()
    )
    rows = session.execute(
        select(Campaign, func.coalesce(stock.c.left_over, 0), func.coalesce(taken.c.taken, 0))
        .outerjoin(stock, stock.c.campaign_id == Campaign.campaign_id)
        .outerjoin(taken, taken.c.campaign_id == Campaign.campaign_id)
        .where(
            Campaign.brand_id == brand_id,
            Campaign.status == "active",
            or_(Campaign.claimable, Campaign.campaign_id.in_(also)),
        )
        .order_by(Campaign.campaign_id.desc())
    )
    return [
        Offer(
            one.campaign_id,
            one.name,
            one.kind,
            terms(brand_id, one.campaign_id, one.version),
            int(left_over),
            int(had),
        )
        for one, left_over, had in rows
    ]


class CampaignLine(NamedTuple):
    """A campaign in a list: its state and its stock."""

    campaign_id: int
    code: str
    name: str
    kind: str
    status: str
    claimable: bool
    quota: int
    issued: int


def campaigns(brand_id: int) -> list[CampaignLine]:
    """The brand's campaigns, newest first."""
    stock = (
        select(
            CampaignStock.campaign_id,
            func.sum(CampaignStock.quota).label("quota"),
            func.sum(CampaignStock.issued).label("issued"),
        )
        .where(CampaignStock.brand_id == brand_id)
        .group_by(CampaignStock.campaign_id)
        .subquery()
    )
    statement = (
        select(
            Campaign.campaign_id,
            Campaign.code,
            Campaign.name,
            Campaign.kind,
            Campaign.status,
            Campaign.claimable,
            func.coalesce(stock.c.quota, 0),
            func.coalesce(stock.c.issued, 0),
        )
        .outerjoin(stock, stock.c.campaign_id == Campaign.campaign_id)
        .where(Campaign.brand_id == brand_id)
        .order_by(Campaign.campaign_id.desc())
    )
    rows = session.execute(statement)
    return [CampaignLine(*row[:6], *(int(value) for value in row[6:])) for row in rows]


def campaign(brand_id: int, campaign_id: int) -> Campaign:
    """One campaign of the brand; CampaignUnknown otherwise."""
    row = session.get(Campaign, (brand_id, campaign_id))
    if row is None:
        raise CampaignUnknown()
    return row
