"""What a campaign has for a member, read before a coupon is taken of it; and why it has nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from .. import rules
from ..errors import (
    CampaignClosed,
    CampaignPaused,
    CampaignUnknown,
    LimitReached,
    PeriodLimitReached,
    SoldOut,
    SoldOutToday,
    StoreNeeded,
    StoreSoldOut,
)

# Sold-out, paused and over the limit are answered from this read alone. Stripes are 16-bit numbers.
# Who was merged into another takes as that other, under that one's limit.
LOOK = """
SELECT k.status, k.claimable, k.version, k.day_quota, k.allocated,
       (SELECT coalesce(max(seq), 0) FROM coupon c
        WHERE c.brand_id = k.brand_id AND c.member_id = owner.member_id AND c.campaign_id = k.campaign_id),
       (SELECT array_agg(s.stripe ORDER BY s.stripe) FROM campaign_stock s
        WHERE s.campaign_id = k.campaign_id AND s.issued < s.quota),
       owner.member_id
FROM campaign k
CROSS JOIN (
  SELECT coalesce((SELECT merged_into FROM member
                   WHERE brand_id = %(brand_id)s::bigint AND member_id = %(member_id)s::bigint),
                  %(member_id)s::bigint) AS member_id
) owner
WHERE k.brand_id = %(brand_id)s::bigint AND k.campaign_id = %(campaign_id)s::bigint
"""

# What there is of the narrower stocks, and what the member had in each period that is limited.
_NARROW = """
SELECT (SELECT d.quota - d.issued FROM campaign_day d
        WHERE d.campaign_id = %(campaign_id)s::bigint AND d.day = %(day)s::date),
       (SELECT a.quota - a.issued FROM campaign_allocation a
        WHERE a.campaign_id = %(campaign_id)s::bigint AND a.store_id = %(store_id)s::bigint)
"""
_HAD = """
SELECT count(*) FROM coupon c
WHERE c.brand_id = %(brand_id)s::bigint AND c.member_id = %(member_id)s::bigint
  AND c.campaign_id = %(campaign_id)s::bigint AND c.claimed_at >= %(since)s::timestamptz
"""

_HOME = """
SELECT home_store_id FROM member WHERE brand_id = %(brand_id)s::bigint AND member_id = %(member_id)s::bigint
"""

Fetch = Callable[[str, Mapping[str, Any]], Any]


class Look(NamedTuple):
    """A campaign as the statement will want it: its state, the member's coupons so far, stripes with stock, and whose
    the coupon will be: the member's, or the one's it was merged into.
    """

    status: str
    claimable: bool
    version: int
    day_quota: int | None
    allocated: bool
    taken: int
    stripes: list[int] | None
    member_id: int


def look_at(fetch: Fetch, brand_id: int, member_id: int, campaign_id: int) -> Look:
    row = fetch(LOOK, {"brand_id": brand_id, "member_id": member_id, "campaign_id": campaign_id})
    if row is None:
        raise CampaignUnknown()
    return Look._make(row)


def check(look: Look, terms: rules.Terms, now: datetime) -> tuple[datetime, datetime]:
    """When a coupon taken now would be valid; raises why the campaign has none for the member."""
    if look.status == "paused":
        raise CampaignPaused()
    if look.status != "active":
        raise CampaignClosed()
    valid = rules.window(terms, now)
    if valid is None:
        raise CampaignClosed()
    if look.taken >= terms.per_member:
        raise LimitReached(limit=terms.per_member)
    if not look.stripes:
        raise SoldOut()
    return valid


def giving_store(fetch: Fetch, brand_id: int, look: Look, store_id: int | None) -> int | None:
    """Whose part of the stock it is, where the stock is with the stores: the giving store's, else the member's own."""
    if store_id is not None or not look.allocated:
        return store_id
    home = fetch(_HOME, {"brand_id": brand_id, "member_id": look.member_id})
    return home[0] if home is not None else None


def check_narrow(
    fetch: Fetch,
    look: Look,
    terms: rules.Terms,
    brand_id: int,
    campaign_id: int,
    store_id: int | None,
    day: date,
    now: datetime,
) -> None:
    """Raise why the day's stock, the store's or the member's limit of a period has nothing left. Campaigns that have
    none of these ask nothing. The limits need no guard of their own: two coupons of a member at one moment meet at seq.
    """
    asked = {"brand_id": brand_id, "campaign_id": campaign_id, "member_id": look.member_id}
    if look.allocated and store_id is None:
        raise StoreNeeded()
    if look.day_quota or look.allocated:
        today, here = fetch(_NARROW, asked | {"day": day, "store_id": store_id})
        if look.day_quota and today == 0:
            raise SoldOutToday()
        if look.allocated and not here:
            raise StoreSoldOut()
    for period, since in rules.periods(terms, now).items():
        limit = getattr(terms, f"per_{period}")
        if fetch(_HAD, asked | {"since": since})[0] >= limit:
            raise PeriodLimitReached(period=period, limit=limit)
