"""What a till needs to know of a coupon, read on the hot pool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from app.core import hot
from app.core.db import session

from .. import codes
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
    budget_left: int | None

    @property
    def budgeted(self) -> bool:
        return self.budget_left is not None

    def held_by(self, order_no: str, at: datetime) -> bool:
        """Whether an order holds it at a moment."""
        until = self.locked_until
        return self.status == "locked" and self.locked_order == order_no and until is not None and until > at


BY_CODE = """
SELECT c.member_id, c.coupon_id, c.campaign_id, c.version, c.status, c.valid_from, c.valid_to, c.locked_order,
       c.locked_until, c.code_step, k.status, k.name, k.kind, b.budget_fen - b.spent_fen
FROM coupon_code i
JOIN coupon c ON c.brand_id = i.brand_id AND c.member_id = i.member_id AND c.coupon_id = i.coupon_id
JOIN campaign k ON k.brand_id = c.brand_id AND k.campaign_id = c.campaign_id
LEFT JOIN campaign_budget b ON k.budgeted AND b.campaign_id = k.campaign_id
WHERE i.code = %(code)s AND i.brand_id = %(brand_id)s
"""


def by_code(brand_id: int, code: str) -> ShownCoupon:
    """The coupon behind a code of the brand; CouponUnknown otherwise. One indexed statement on the hot pool."""
    row = hot.fetch_one(BY_CODE, {"brand_id": brand_id, "code": code})
    if row is None:
        raise CouponUnknown()
    return ShownCoupon._make(row)


_GROUPS = """
SELECT groups FROM order_discount
WHERE brand_id = %(brand_id)s AND order_no = %(order_no)s AND source = %(source)s AND store_id = %(store_id)s
"""


def groups_on(brand_id: int, order_no: str, source: str, store_id: int) -> list[str]:
    """The stacking groups of the coupons that were used on an order so far."""
    asked = {"brand_id": brand_id, "order_no": order_no, "source": source, "store_id": store_id}
    row = hot.fetch_one(_GROUPS, asked)
    return [] if row is None else list(row[0])


def codes_owned(brand_id: int, shown: Sequence[str], at: datetime) -> list[tuple[int, int]]:
    """(coupon, member) behind each code of the brand, which may be an old one; CouponUnknown."""
    found = [by_code(brand_id, codes.recognized(one, at).code) for one in shown]
    return [(one.coupon_id, one.member_id) for one in found]


def redemption(brand_id: int, redemption_id: int) -> Redemption:
    """One redemption of the brand; RedemptionUnknown otherwise."""
    row = session.scalar(
        select(Redemption).where(Redemption.redemption_id == redemption_id, Redemption.brand_id == brand_id)
    )
    if row is None:
        raise RedemptionUnknown()
    return row


def live_redemption(brand_id: int, member_id: int, coupon_id: int) -> Redemption | None:
    """What a coupon is used for now, in the open transaction."""
    return session.scalar(
        select(Redemption).where(
            Redemption.brand_id == brand_id,
            Redemption.member_id == member_id,
            Redemption.coupon_id == coupon_id,
            Redemption.returned_at.is_(None),
        )
    )
