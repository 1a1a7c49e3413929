"""What a till needs to know of a coupon, read on the hot pool."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from app.core import hot
from app.core.db import session

from ..errors import CampaignUnknown, CouponUnknown, RedemptionUnknown
from ..models import CampaignVersion, Redemption
from ..rules import Terms

# Versions never change, so a process may keep them; the bound is for processes that live for years.
_terms: dict[tuple[int, int, int], Terms] = {}
_TERMS_KEPT = 10_000

_TERMS = """
SELECT terms FROM campaign_version
WHERE brand_id = %(brand_id)s AND campaign_id = %(campaign_id)s AND version = %(version)s
"""


def terms(brand_id: int, campaign_id: int, version: int) -> Terms:
    """The terms of a campaign's version, from memory after the first time."""
    key = (brand_id, campaign_id, version)
    found = _terms.get(key)
    if found is None:
        row = hot.fetch_one(_TERMS, {"brand_id": brand_id, "campaign_id": campaign_id, "version": version})
        if row is None:
            raise CampaignUnknown()
        if len(_terms) >= _TERMS_KEPT:
            _terms.clear()
        found = _terms[key] = Terms.of(row[0])
    return found


def version_terms(brand_id: int, campaign_id: int, version: int) -> Terms:
    """Like `terms`, read in the open transaction and not remembered."""
    return Terms.of(session.get_one(CampaignVersion, (brand_id, campaign_id, version)).terms)


class ShownCoupon(NamedTuple):
    """A coupon as a till meets it."""

    member_id: int
    coupon_id: int
    campaign_id: int
    version: int
    status: str
    valid_from: datetime
    valid_to: datetime
    locked_order: str | None
    locked_until: datetime | None
    code_step: int | None
    campaign_status: str
    name: str
    kind: str


BY_CODE = """
SELECT c.member_id, c.coupon_id, c.campaign_id, c.version, c.status, c.valid_from, c.valid_to, c.locked_order,
       c.locked_until, c.code_step, k.status, k.name, k.kind
FROM coupon_code i
JOIN coupon c ON c.brand_id = i.brand_id AND c.member_id = i.member_id AND c.coupon_id = i.coupon_id
JOIN campaign k ON k.brand_id = c.brand_id AND k.campaign_id = c.campaign_id
WHERE i.code = %(code)s AND i.brand_id = %(brand_id)s
"""


def by_code(brand_id: int, code: str) -> ShownCoupon:
    """The coupon behind a code of the brand; CouponUnknown otherwise. One indexed statement on the hot pool."""
    row = hot.fetch_one(BY_CODE, {"brand_id": brand_id, "code": code})
    if row is None:
        raise CouponUnknown()
    return ShownCoupon._make(row)


def redemption(brand_id: int, redemption_id: int) -> Redemption:
    """One redemption of the brand; RedemptionUnknown otherwise."""
    row = session.scalar(
        select(Redemption).where(Redemption.redemption_id == redemption_id, Redemption.brand_id == brand_id)
    )
    if row is None:
        raise RedemptionUnknown()
    return row
