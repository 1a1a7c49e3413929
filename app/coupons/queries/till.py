"""What a till needs to know of a coupon, read on the hot pool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import or_, select

from app.core import hot
from app.core.db import session

from .. import codes, rules
from ..errors import CampaignUnknown, CouponUnknown, RedemptionUnknown
from ..models import CampaignVersion, CouponEvent, Redemption
from ..rules import Counter, Terms

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
    """A coupon as a till meets it. `groups`: the stacking groups of the coupons that were used on the order so far."""

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
    groups: list[str]

    @property
    def budgeted(self) -> bool:
        return self.budget_left is not None

    def held_by(self, holder: str, at: datetime) -> bool:
        """Whether an order holds it at a moment; `holder` as of rules.holder."""
        until = self.locked_until
        return self.status == "locked" and until is not None and until > at and self.locked_order == holder


BY_CODE = """
SELECT c.member_id, c.coupon_id, c.campaign_id, c.version, c.status, c.valid_from, c.valid_to, c.locked_order,
       c.locked_until, c.code_step, k.status, k.name, k.kind, b.budget_fen - b.spent_fen,
       coalesce(o.groups, '{}')
FROM coupon_code i
JOIN coupon c ON c.brand_id = i.brand_id AND c.member_id = i.member_id AND c.coupon_id = i.coupon_id
JOIN campaign k ON k.brand_id = c.brand_id AND k.campaign_id = c.campaign_id
LEFT JOIN campaign_budget b ON k.budgeted AND b.campaign_id = k.campaign_id
LEFT JOIN order_discount o ON o.brand_id = i.brand_id AND o.order_no = %(order_no)s AND o.source = %(counter)s
     AND o.store_id = %(store_id)s
WHERE i.code = %(code)s AND i.brand_id = %(brand_id)s
"""


def by_code(brand_id: int, code: str) -> ShownCoupon:
    """The coupon behind a code of the brand, beside no order; CouponUnknown otherwise."""
    return _by_code({"brand_id": brand_id, "code": code, "order_no": "", "counter": "", "store_id": 0})


def beside_order(counter: Counter, code: str, order_no: str) -> ShownCoupon:
    """The coupon behind a code and what is on an order, as they are at one moment; CouponUnknown.

    One indexed statement on the hot pool.
    """
    return _by_code({"code": code} | _order(counter, order_no))


def _order(counter: Counter, order_no: str) -> dict[str, Any]:
    return {
        "brand_id": counter.brand_id,
        "order_no": order_no,
        "counter": rules.counter_of(counter.source),
        "store_id": counter.store_id,
    }


def _by_code(asked: dict[str, Any]) -> ShownCoupon:
    row = hot.fetch_one(BY_CODE, asked)
    if row is None:
        raise CouponUnknown()
    return ShownCoupon._make(row)


class Before(NamedTuple):
    """What the coupons used on an order so far are: their groups, and what they take off in all and by line, in fen."""

    groups: list[str]
    discount_fen: int
    lines: dict[int, int]


NOTHING_BEFORE = Before([], 0, {})

_BEFORE = """
SELECT o.groups, o.discount_fen, l.line_no, sum(l.discount_fen - l.refunded_fen)::bigint
FROM order_discount o
LEFT JOIN redemption r ON r.brand_id = o.brand_id AND r.order_no = o.order_no AND r.store_id = o.store_id
     AND (r.source = o.source OR r.source = 'desk' AND o.source = 'till') AND r.returned_at IS NULL
LEFT JOIN redemption_line l ON l.brand_id = r.brand_id AND l.member_id = r.member_id
     AND l.redemption_id = r.redemption_id
WHERE o.brand_id = %(brand_id)s AND o.order_no = %(order_no)s AND o.source = %(counter)s AND o.store_id = %(store_id)s
GROUP BY o.groups, o.discount_fen, l.line_no
"""


def before(counter: Counter, order_no: str) -> Before:
    """What was taken off an order until now, on the hot pool."""
    rows = hot.fetch_all(_BEFORE, _order(counter, order_no))
    if not rows:
        return NOTHING_BEFORE
    return Before(list(rows[0][0]), rows[0][1], {row[2]: row[3] for row in rows if row[2] is not None})


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


def used_for(counter: Counter, coupon: ShownCoupon, order_no: str) -> Redemption | None:
    """What a coupon was used for an order, in the open transaction: live, or given back as the order's goods went back.
    One that was cancelled came to nothing.
    """
    return session.scalar(
        select(Redemption)
        .where(
            Redemption.brand_id == counter.brand_id,
            Redemption.member_id == coupon.member_id,
            Redemption.coupon_id == coupon.coupon_id,
            Redemption.order_no == order_no,
            Redemption.store_id == counter.store_id,
            Redemption.source.in_(rules.SOURCES_BY_CHANNEL[rules.channel_of(counter.source)]),
            or_(Redemption.returned_at.is_(None), Redemption.refunded_fen == Redemption.discount_fen),
        )
        .order_by(Redemption.redeemed_at.desc())
        .limit(1)
    )


def was_held(counter: Counter, coupon: ShownCoupon, order_no: str, at: datetime) -> bool:
    """Whether an order held a coupon at a moment in the past, in the open transaction."""
    last = session.execute(
        select(CouponEvent.to_status, CouponEvent.order_no, CouponEvent.store_id)
        .where(
            CouponEvent.brand_id == counter.brand_id,
            CouponEvent.member_id == coupon.member_id,
            CouponEvent.coupon_id == coupon.coupon_id,
            CouponEvent.at <= at,
        )
        .order_by(CouponEvent.at.desc(), CouponEvent.event_id.desc())
        .limit(1)
    ).one_or_none()
    return last is not None and tuple(last) == ("locked", order_no, counter.store_id)
