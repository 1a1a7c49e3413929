"""What a shopper's home shows, in one statement on the hot pool: every opening of the mini-program asks for it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from app.core import clock, crypto, hot
from app.identity.rules import SEAL_CONTEXT, masked_phone
from app.members.rules import NAME_CONTEXT


class HomeTier(NamedTuple):
    """The tier and the next one up; `next_growth` is the growth that one needs."""

    code: str
    name: str
    rank: int
    since: datetime
    next_name: str | None
    next_growth: int | None


class Home(NamedTuple):
    """A member as themselves see it, at a glance; the phone is masked, `coupons` counts them by state."""

    member_id: int
    number: str
    name: str | None
    phone: str | None
    status: str
    joined_at: datetime
    bound_at: datetime | None
    tier: HomeTier | None
    points: int
    growth: int
    coupons: dict[str, int]


# Every part is found by the whole key of one member; the phone is the one bound last, by whichever id of the person.
_HOME = """
SELECT member.number, member.name, member.status, member.joined_at, member.bound_at, phone.sealed_value,
  held.code, held.name, held.rank, held.valid_from, above.name, above.growth_from,
  balances.points, balances.growth, wallet.usable, wallet.redeemed, wallet.expired
FROM member
CROSS JOIN (
  SELECT max(amount) FILTER (WHERE currency = 'points') AS points, max(amount) FILTER (WHERE currency = 'growth')
    AS growth
  FROM balance WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s
) AS balances
CROSS JOIN (
  SELECT count(*) FILTER (WHERE status IN ('claimed', 'locked', 'returned') AND valid_to > %(now)s) AS usable,
    count(*) FILTER (WHERE status = 'redeemed') AS redeemed,
    count(*) FILTER (WHERE status = 'expired'
      OR status IN ('claimed', 'locked', 'returned') AND valid_to <= %(now)s) AS expired
  FROM coupon WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s
) AS wallet
LEFT JOIN (
  SELECT tier.code, tier.name, tier.rank, member_tier.valid_from
  FROM member_tier JOIN tier ON tier.brand_id = member_tier.brand_id AND tier.tier_id = member_tier.tier_id
  WHERE member_tier.brand_id = %(brand_id)s AND member_tier.member_id = %(member_id)s AND valid_to IS NULL
) AS held ON true
LEFT JOIN LATERAL (
  SELECT name, growth_from FROM tier WHERE brand_id = %(brand_id)s AND rank > held.rank ORDER BY rank LIMIT 1
) AS above ON true
LEFT JOIN (
  SELECT sealed_value FROM identity
  WHERE kind = 'mobile' AND person_id IN (
    SELECT person_id FROM person WHERE person_id = %(person_id)s OR merged_into = %(person_id)s
  ) ORDER BY linked_at DESC, value LIMIT 1
) AS phone ON true
WHERE member.brand_id = %(brand_id)s AND member.member_id = %(member_id)s
"""


def of(brand_id: int, person_id: int, member_id: int) -> Home | None:
    """A living person's membership of a brand at a glance, or None."""
    asked = {"brand_id": brand_id, "person_id": person_id, "member_id": member_id, "now": clock.now()}
    row = hot.fetch_one(_HOME, asked)
    if row is None:
        return None
    number, name, status, joined_at, bound_at, sealed, *rest = row
    *tier, points, growth, usable, redeemed, expired = rest
    return Home(
        member_id=member_id,
        number=number,
        name=None if name is None else crypto.decrypt(name, context=NAME_CONTEXT),
        phone=None if sealed is None else masked_phone(crypto.decrypt(sealed, context=SEAL_CONTEXT)),
        status=status,
        joined_at=joined_at,
        bound_at=bound_at,
        tier=None if tier[0] is None else HomeTier(*tier),
        points=points or 0,
        growth=growth or 0,
        coupons={"usable": usable, "redeemed": redeemed, "expired": expired},
    )
