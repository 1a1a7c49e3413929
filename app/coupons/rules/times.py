"""When and where a coupon can be used."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo

from ..errors import (
    CampaignPaused,
    CampaignVoided,
    CouponExpired,
    CouponLocked,
    CouponNotNow,
    CouponNotYetValid,
    CouponOffered,
    CouponRedeemed,
    CouponVoided,
    CouponWrongChannel,
    CouponWrongStore,
)
from .terms import Terms

OFFER = "cgt_"  # what a coupon is held by while it is offered to a friend begins so; no order's does


def is_offer(holder: str | None) -> bool:
    """Whether what holds a coupon is an offer to a friend."""
    return (holder or "").startswith(OFFER)


class Place(Protocol):
    """Where a coupon is used."""

    @property
    def store_id(self) -> int: ...

    @property
    def dealer_id(self) -> int | None: ...

    @property
    def region_id(self) -> int | None: ...

    @property
    def channel(self) -> str: ...


class State(Protocol):
    """What of a coupon says whether it can be used."""

    @property
    def status(self) -> str: ...

    @property
    def valid_from(self) -> datetime: ...

    @property
    def valid_to(self) -> datetime: ...

    @property
    def locked_order(self) -> str | None: ...

    @property
    def locked_until(self) -> datetime | None: ...


def window(terms: Terms, at: datetime) -> tuple[datetime, datetime] | None:
    """When a coupon taken at `at` may be used, [from, to); None when that is never.

    Days are local days of the terms' time zone and end at midnight.
    """
    start, end = at, terms.ends_at
    zone = _zone(terms.timezone)
    first_day = at.astimezone(zone).date() + timedelta(days=terms.wait_days)
    if terms.wait_days:
        start = datetime.combine(first_day, time(), zone)
    if terms.valid_days is not None:
        last = datetime.combine(first_day + timedelta(days=terms.valid_days), time(), zone)
        end = last if end is None else min(end, last)
    if terms.starts_at is not None:
        start = max(start, terms.starts_at)
    if end is None or start >= end or at >= end:
        return None
    return start.astimezone(at.tzinfo), end.astimezone(at.tzinfo)


def check_usable(coupon: State, *, at: datetime, holder: str | None = None, early: bool = False) -> None:
    """Raise the reason why a coupon in this state cannot be used at `at`. `holder`: what the order holds coupons by
    (see orders.holder), None for no order. `early`: it may be that it is not valid yet.
    """
    if coupon.status == "redeemed":
        raise CouponRedeemed()
    if coupon.status == "voided":
        raise CouponVoided()
    if coupon.status == "expired" or at >= coupon.valid_to:
        raise CouponExpired(valid_to=coupon.valid_to.isoformat())
    if coupon.status == "locked" and (coupon.locked_until is None or coupon.locked_until > at):
        if is_offer(coupon.locked_order):
            raise CouponOffered()
        if coupon.locked_order != holder:
            raise CouponLocked()
    if at < coupon.valid_from and not early:
        raise CouponNotYetValid(valid_from=coupon.valid_from.isoformat())


def check_campaign(status: str) -> None:
    """Raise the reason why coupons of a campaign in this status cannot be used: those of an ended one still can."""
    if status == "voided":
        raise CampaignVoided()
    if status not in ("active", "ended"):
        raise CampaignPaused()


def check_time(terms: Terms, at: datetime) -> None:
    """Raise CouponNotNow when the terms exclude this day or hour, with what they allow."""
    local = at.astimezone(_zone(terms.timezone))
    today = local.date()
    if terms.only_days is not None and today not in terms.only_days:
        raise CouponNotNow(only_days=[day.isoformat() for day in sorted(terms.only_days)])
    if today in terms.except_days:
        raise CouponNotNow(except_day=today.isoformat())
    if terms.weekdays is not None and local.isoweekday() not in terms.weekdays:
        raise CouponNotNow(weekdays=sorted(terms.weekdays))
    moment = f"{local:%H:%M}"
    if terms.hours and not any(start <= moment < end for start, end in terms.hours):
        raise CouponNotNow(hours=[list(span) for span in terms.hours])


def check_place(terms: Terms, place: Place) -> None:
    """Raise CouponWrongStore or CouponWrongChannel when the terms do not hold there."""
    if terms.channels is not None and place.channel not in terms.channels:
        raise CouponWrongChannel(channels=sorted(terms.channels))
    asked = (
        (terms.store_ids, place.store_id),
        (terms.dealer_ids, place.dealer_id),
        (terms.region_ids, place.region_id),
    )
    named = [(wanted, here) for wanted, here in asked if wanted is not None]
    if place.store_id in terms.except_store_ids or (named and not any(here in wanted for wanted, here in named)):
        raise CouponWrongStore()


def periods(terms: Terms, at: datetime) -> dict[str, datetime]:
    """When the present day, week and month of the terms' time zone began, of those for which there is a limit."""
    zone = _zone(terms.timezone)
    today = at.astimezone(zone).date()
    began = {"day": today, "week": today - timedelta(days=today.weekday()), "month": today.replace(day=1)}
    return {
        name: datetime.combine(day, time(), zone)
        for name, day in began.items()
        if getattr(terms, f"per_{name}") is not None
    }


def local_day(terms: Terms, at: datetime) -> date:
    """The day of the terms' time zone that a moment lies in."""
    return at.astimezone(_zone(terms.timezone)).date()


def returned_until(terms: Terms, valid_to: datetime, at: datetime) -> datetime:
    """How long a coupon that comes back at `at` is good for: as long as it was, and at least the days of grace."""
    if not terms.grace_days:
        return valid_to
    zone = _zone(terms.timezone)
    last = datetime.combine(at.astimezone(zone).date() + timedelta(days=terms.grace_days + 1), time(), zone)
    return max(valid_to, last.astimezone(valid_to.tzinfo))


_zone = cache(ZoneInfo)
