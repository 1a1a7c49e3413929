"""Campaigns, read in the open session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import and_, case, func, or_, select, tuple_

from app.core import clock
from app.core.db import session
from app.members.models import Member

from ..errors import CampaignUnknown
from ..models import (
    Campaign,
    CampaignAllocation,
    CampaignBudget,
    CampaignDay,
    CampaignEvent,
    CampaignPolicy,
    CampaignStock,
    CampaignVersion,
    Coupon,
)
from ..rules import Terms, local_day, periods, window
from .till import terms


class Offer(NamedTuple):
    """A campaign a member may claim from; `left` is what there is for them now, `taken` how many they have had.
    `had_all`: that is as many as one member may have, in all or in the present day, week or month.
    """

    campaign_id: int
    name: str
    kind: str
    terms: Terms
    left: int
    taken: int
    had_all: bool


def claimable(
    brand_id: int, member_id: int, *, also: Sequence[int] = (), store_id: int | None = None
) -> list[Offer]:
    """The brand's campaigns that members claim from by themselves, as far as a coupon taken now could be used, sold-out
    ones included (left = 0); `also`: other campaigns, as far as they are open. `store_id`: who gives, where the stock
    is with the stores; the member's home store, if none is named.
    """
    if store_id is None:
        mine = (Member.brand_id == brand_id, Member.member_id == member_id)
        store_id = session.scalar(select(Member.home_store_id).where(*mine))
    here = CampaignAllocation.quota - CampaignAllocation.issued
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
        select(
            Campaign,
            case(
                (Campaign.allocated, func.least(stock.c.left_over, func.coalesce(here, 0))),
                else_=func.coalesce(stock.c.left_over, 0),
            ),
            func.coalesce(taken.c.taken, 0),
        )
        .outerjoin(
            CampaignAllocation,
            and_(CampaignAllocation.campaign_id == Campaign.campaign_id, CampaignAllocation.store_id == store_id),
        )
        .outerjoin(stock, stock.c.campaign_id == Campaign.campaign_id)
        .outerjoin(taken, taken.c.campaign_id == Campaign.campaign_id)
        .where(
            Campaign.brand_id == brand_id,
            Campaign.status == "active",
            or_(Campaign.claimable, Campaign.campaign_id.in_(also)),
        )
        .order_by(Campaign.campaign_id.desc())
    ).all()
    now = clock.now()
    promised = {one.campaign_id: terms(brand_id, one.campaign_id, one.version) for one, _, _ in rows}
    rows = [row for row in rows if window(promised[row[0].campaign_id], now) is not None]
    today = _left_today([one for one, _, _ in rows])
    full = _full_for_now(brand_id, member_id, promised, now)
    return [
        Offer(
            one.campaign_id,
            one.name,
            one.kind,
            promised[one.campaign_id],
            min(int(left_over), today.get(one.campaign_id, int(left_over))),
            int(had),
            had >= promised[one.campaign_id].per_member or one.campaign_id in full,
        )
        for one, left_over, had in rows
    ]


def _full_for_now(brand_id: int, member_id: int, promised: Mapping[int, Terms], now: datetime) -> set[int]:
    """The campaigns of which a member has had all that the present day, week or month allows."""
    limits = [
        (campaign_id, since, getattr(one, f"per_{period}"))
        for campaign_id, one in promised.items()
        for period, since in periods(one, now).items()
    ]
    if not limits:
        return set()
    had = session.execute(
        select(Coupon.campaign_id, Coupon.claimed_at).where(
            Coupon.brand_id == brand_id,
            Coupon.member_id == member_id,
            Coupon.campaign_id.in_({campaign_id for campaign_id, _, _ in limits}),
            Coupon.claimed_at >= min(since for _, since, _ in limits),
        )
    ).all()
    return {
        campaign_id
        for campaign_id, since, most in limits
        if sum(of == campaign_id and at >= since for of, at in had) >= most
    }


def _left_today(rows: Sequence[Campaign]) -> dict[int, int]:
    """What is left of the present day's stock, of those campaigns that have one."""
    now = clock.now()
    left = {one.campaign_id: one.day_quota for one in rows if one.day_quota is not None}
    if not left:
        return {}
    days = [
        (one.campaign_id, local_day(terms(one.brand_id, one.campaign_id, one.version), now))
        for one in rows
        if one.campaign_id in left
    ]
    key = tuple_(CampaignDay.campaign_id, CampaignDay.day)
    begun = select(CampaignDay.campaign_id, CampaignDay.quota - CampaignDay.issued).where(key.in_(days))
    return left | dict(session.execute(begun).all())


class CampaignLine(NamedTuple):
    """A campaign in a list: its state, its stock (`allocated`: which is with the stores), and its budget in fen (None:
    none).
    """

    campaign_id: int
    code: str
    name: str
    kind: str
    status: str
    claimable: bool
    quota: int
    issued: int
    budget_fen: int | None
    spent_fen: int
    allocated: bool


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
            CampaignBudget.budget_fen,
            func.coalesce(CampaignBudget.spent_fen, 0),
            Campaign.allocated,
        )
        .outerjoin(stock, stock.c.campaign_id == Campaign.campaign_id)
        .outerjoin(CampaignBudget, CampaignBudget.campaign_id == Campaign.campaign_id)
        .where(Campaign.brand_id == brand_id)
        .order_by(Campaign.campaign_id.desc())
    )
    rows = session.execute(statement)
    return [CampaignLine._make((*row[:6], int(row[6]), int(row[7]), *row[8:])) for row in rows]


class Part(NamedTuple):
    """One store's part of a campaign's stock."""

    store_id: int
    quota: int
    issued: int


class Supply(NamedTuple):
    """How much of a campaign there is: in all, today (None: no day's stock), by store, and its budget in fen (None:
    none).
    """

    quota: int
    issued: int
    today_quota: int | None
    today_issued: int
    parts: list[Part]
    budget_fen: int | None
    spent_fen: int


def supply(brand_id: int, campaign_id: int, day: date) -> Supply:
    """What a campaign has and what is gone of it; `day` is the local day that counts as today."""
    row = campaign(brand_id, campaign_id)
    quota, issued = session.execute(
        select(func.sum(CampaignStock.quota), func.sum(CampaignStock.issued)).where(
            CampaignStock.campaign_id == campaign_id
        )
    ).one()
    today = session.get(CampaignDay, (campaign_id, day), populate_existing=True)
    parts = session.execute(
        select(CampaignAllocation.store_id, CampaignAllocation.quota, CampaignAllocation.issued)
        .where(CampaignAllocation.campaign_id == campaign_id)
        .order_by(CampaignAllocation.store_id)
    )
    budget = session.get(CampaignBudget, campaign_id, populate_existing=True)
    return Supply(
        int(quota or 0),
        int(issued or 0),
        row.day_quota,
        today.issued if today else 0,
        [Part(*part) for part in parts],
        budget.budget_fen if budget else None,
        budget.spent_fen if budget else 0,
    )


def events(brand_id: int, campaign_id: int, *, limit: int = 100) -> list[CampaignEvent]:
    """What was done to a campaign, newest first."""
    return list(
        session.scalars(
            select(CampaignEvent)
            .where(CampaignEvent.brand_id == brand_id, CampaignEvent.campaign_id == campaign_id)
            .order_by(CampaignEvent.event_id.desc())
            .limit(limit)
        )
    )


def newest_event(brand_id: int, campaign_id: int) -> int | None:
    """What was done to a campaign last."""
    return session.scalar(
        select(func.max(CampaignEvent.event_id)).where(
            CampaignEvent.brand_id == brand_id, CampaignEvent.campaign_id == campaign_id
        )
    )


def versions(brand_id: int, campaign_id: int) -> list[CampaignVersion]:
    """The terms of a campaign as they were promised, newest first."""
    return list(
        session.scalars(
            select(CampaignVersion)
            .where(CampaignVersion.brand_id == brand_id, CampaignVersion.campaign_id == campaign_id)
            .order_by(CampaignVersion.version.desc())
        )
    )


def policy(brand_id: int) -> tuple[int | None, int | None]:
    """(stock, budget in fen) from which on a campaign is approved by a second person; None: not by that."""
    row = session.get(CampaignPolicy, brand_id, populate_existing=True)
    return (None, None) if row is None else (row.approve_quota, row.approve_budget_fen)


def campaign(brand_id: int, campaign_id: int) -> Campaign:
    """One campaign of the brand; CampaignUnknown otherwise."""
    row = session.get(Campaign, (brand_id, campaign_id))
    if row is None:
        raise CampaignUnknown()
    return row
