"""A member's coupons, read in the open session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, func, select, tuple_

from app.core import clock
from app.core.db import session
from app.members import family

from ..errors import CouponUnknown
from ..models import Campaign, CampaignBudget, Coupon, CouponEvent
from ..rules import OPEN_STATUSES, Terms
from .till import terms

PAGE = 50


class Card(NamedTuple):
    """A coupon as its owner sees it."""

    coupon_id: int
    campaign_id: int
    version: int
    name: str
    kind: str
    status: str
    claimed_at: datetime
    valid_from: datetime
    valid_to: datetime
    source: str
    locked_order: str | None
    locked_until: datetime | None
    campaign_status: str
    budget_left: int | None
    terms: Terms


def wallet(
    brand_id: int,
    member_id: int,
    *,
    statuses: Sequence[str] | None = None,
    after: int | None = None,
    limit: int = PAGE,
    upcoming: bool = False,
) -> list[Card]:
    """A member's coupons, newest first; `after` is the last coupon_id of the page before.

    A coupon whose validity has ended is shown as expired even before the sweep has marked it. `upcoming`: only those
    that are not valid yet.
    """
    statement = _cards(brand_id).where(Coupon.member_id == member_id)
    now = clock.now()
    if statuses is not None:
        shown = Coupon.status.in_(statuses)
        ended = Coupon.status.in_(OPEN_STATUSES) & (Coupon.valid_to <= now)
        statement = statement.where(shown & ~ended if "expired" not in statuses else shown | ended)
    if upcoming:
        statement = statement.where(Coupon.valid_from > now)
    if after is not None:
        statement = statement.where(Coupon.coupon_id < after)
    rows = session.execute(statement.order_by(Coupon.coupon_id.desc()).limit(limit))
    return [_card(brand_id, row, now) for row in rows]


def ending(
    brand_id: int, member_id: int, *, within: timedelta, after: tuple[datetime, int] | None = None, limit: int = PAGE
) -> list[Card]:
    """A member's usable coupons that end within a time from now, the first to end first.

    `after` is the last (valid_to, coupon_id) of the page before.
    """
    now = clock.now()
    statement = _cards(brand_id).where(
        Coupon.member_id == member_id,
        Coupon.status.in_(OPEN_STATUSES),
        Coupon.valid_from <= now,
        Coupon.valid_to > now,
        Coupon.valid_to <= now + within,
    )
    if after is not None:
        statement = statement.where(tuple_(Coupon.valid_to, Coupon.coupon_id) > after)
    rows = session.execute(statement.order_by(Coupon.valid_to, Coupon.coupon_id).limit(limit))
    return [_card(brand_id, row, now) for row in rows]


def card(brand_id: int, member_id: int, coupon_id: int) -> Card:
    """One of a member's coupons; CouponUnknown for anybody else's."""
    row = session.execute(
        _cards(brand_id).where(Coupon.member_id == member_id, Coupon.coupon_id == coupon_id)
    ).one_or_none()
    if row is None:
        raise CouponUnknown()
    return _card(brand_id, row, clock.now())


def cards(brand_id: int, member_id: int, coupon_ids: Collection[int]) -> list[Card]:
    """Several of a member's coupons, in no order; CouponUnknown when one of them is anybody else's."""
    now = clock.now()
    rows = session.execute(_cards(brand_id).where(Coupon.member_id == member_id, Coupon.coupon_id.in_(coupon_ids)))
    found = [_card(brand_id, row, now) for row in rows]
    if len(found) != len(set(coupon_ids)):
        raise CouponUnknown()
    return found


def owned(brand_id: int, member_id: int, coupon_id: int) -> Coupon:
    """One of a member's coupons as its row; CouponUnknown for anybody else's.

    A member who was merged into another a moment ago finds it there.
    """
    row = session.get(Coupon, (brand_id, member_id, coupon_id), populate_existing=True)
    if row is None and (now_id := family.living_id(brand_id, member_id)) != member_id:
        row = session.get(Coupon, (brand_id, now_id, coupon_id), populate_existing=True)
    if row is None:
        raise CouponUnknown()
    return row


def counts(brand_id: int, member_id: int) -> dict[str, int]:
    """How many of a member's coupons are usable, redeemed and expired."""
    now = clock.now()
    usable = Coupon.status.in_(OPEN_STATUSES) & (Coupon.valid_to > now)
    over = (Coupon.status == "expired") | (Coupon.status.in_(OPEN_STATUSES) & (Coupon.valid_to <= now))
    row = session.execute(
        select(
            func.count().filter(usable).label("usable"),
            func.count().filter(Coupon.status == "redeemed").label("redeemed"),
            func.count().filter(over).label("expired"),
        ).where(Coupon.brand_id == brand_id, Coupon.member_id == member_id)
    ).one()
    return dict(row._mapping)


def tabs(brand_id: int, member_id: int, *, ending_within: timedelta) -> dict[str, int]:
    """How many coupons stand under each heading of a wallet.

    `usable` holds `ending` (can be used now, ends within the time) and `upcoming` (not valid yet).
    """
    now = clock.now()
    still = Coupon.status.in_(OPEN_STATUSES) & (Coupon.valid_to > now)
    headings = {
        "usable": still,
        "ending": still & (Coupon.valid_from <= now) & (Coupon.valid_to <= now + ending_within),
        "upcoming": still & (Coupon.valid_from > now),
        "redeemed": Coupon.status == "redeemed",
        "expired": (Coupon.status == "expired") | (Coupon.status.in_(OPEN_STATUSES) & (Coupon.valid_to <= now)),
        "voided": Coupon.status == "voided",
    }
    row = session.execute(
        select(*(func.count().filter(which).label(name) for name, which in headings.items())).where(
            Coupon.brand_id == brand_id, Coupon.member_id == member_id
        )
    ).one()
    return dict(row._mapping)


def _cards(brand_id: int) -> Select[*tuple[Any, ...]]:
    columns = (
        Coupon.coupon_id,
        Coupon.campaign_id,
        Coupon.version,
        Campaign.name,
        Campaign.kind,
        Coupon.status,
        Coupon.claimed_at,
        Coupon.valid_from,
        Coupon.valid_to,
        Coupon.source,
        Coupon.locked_order,
        Coupon.locked_until,
        Campaign.status.label("campaign_status"),
        (CampaignBudget.budget_fen - CampaignBudget.spent_fen).label("budget_left"),
    )
    return (
        select(*columns)
        .join(Campaign, (Campaign.brand_id == Coupon.brand_id) & (Campaign.campaign_id == Coupon.campaign_id))
        .outerjoin(CampaignBudget, CampaignBudget.campaign_id == Coupon.campaign_id)
        .where(Coupon.brand_id == brand_id)
    )


def _card(brand_id: int, row: Row[*tuple[Any, ...]], now: datetime) -> Card:
    found = Card(**row._mapping, terms=terms(brand_id, row.campaign_id, row.version))
    return found._replace(status="expired") if found.status in OPEN_STATUSES and found.valid_to <= now else found


def history(brand_id: int, member_id: int, *, limit: int = 100) -> list[tuple[CouponEvent, str]]:
    """The newest changes of a member's coupons, each with its campaign's name."""
    rows = session.execute(
        select(CouponEvent, Campaign.name)
        .join(
            Coupon,
            (Coupon.brand_id == CouponEvent.brand_id)
            & (Coupon.member_id == CouponEvent.member_id)
            & (Coupon.coupon_id == CouponEvent.coupon_id),
        )
        .join(Campaign, (Campaign.brand_id == Coupon.brand_id) & (Campaign.campaign_id == Coupon.campaign_id))
        .where(CouponEvent.brand_id == brand_id, CouponEvent.member_id == member_id)
        .order_by(CouponEvent.event_id.desc())
        .limit(limit)
    )
    return [(event, name) for event, name in rows]
