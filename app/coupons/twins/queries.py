"""Reads of bindings, twins and conflicts, in the open session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, or_, select, text

from app.core import hot
from app.core.db import session
from app.members import family

from ..models import Campaign, CampaignStock, Coupon, Redemption
from . import rules
from .errors import BindingUnknown, TwinConflictUnknown
from .models import CampaignChannel, CouponTwin, TwinCode, TwinConflict

_BY_CODE = """
SELECT c.code FROM twin_code t
JOIN coupon c ON c.brand_id = t.brand_id AND c.member_id = t.member_id AND c.coupon_id = t.coupon_id
WHERE t.external_code = %(code)s AND t.brand_id = %(brand_id)s
"""


class Bound(NamedTuple):
    """A binding with its campaign's name, the version of the terms in force, and how many twins stand in each state."""

    binding: CampaignChannel
    code: str
    name: str
    version: int
    twins: dict[str, int]


@dataclass(frozen=True)
class Wallets:
    """A member's wallets in WeChat; openids never show."""

    member_id: int
    openids: list[str] = field(repr=False)


class Whole(NamedTuple):
    """Both sides of a coupon: its row, its twin, and its redemptions with the newest first."""

    coupon: Coupon
    twin: CouponTwin
    uses: list[rules.Used]


def binding(brand_id: int, campaign_id: int) -> CampaignChannel:
    """A campaign's binding, also one that ended; BindingUnknown when it never had one."""
    row = session.get(CampaignChannel, (brand_id, campaign_id), populate_existing=True)
    if row is None:
        raise BindingUnknown()
    return row


def binding_of_stock(channel: str, stock_id: str) -> CampaignChannel | None:
    return session.scalar(
        select(CampaignChannel).where(CampaignChannel.channel == channel, CampaignChannel.stock_id == stock_id)
    )


def bindings(brand_id: int) -> list[Bound]:
    """The brand's bindings, newest first."""
    rows = session.execute(
        select(CampaignChannel, Campaign.code, Campaign.name, Campaign.version)
        .join(
            Campaign,
            (Campaign.brand_id == CampaignChannel.brand_id) & (Campaign.campaign_id == CampaignChannel.campaign_id),
        )
        .where(CampaignChannel.brand_id == brand_id)
        .order_by(CampaignChannel.bound_at.desc(), CampaignChannel.campaign_id.desc())
    ).all()
    counted: dict[int, dict[str, int]] = {}
    for campaign_id, state, count in session.execute(
        select(CouponTwin.campaign_id, CouponTwin.state, func.count())
        .where(CouponTwin.brand_id == brand_id)
        .group_by(CouponTwin.campaign_id, CouponTwin.state)
    ):
        counted.setdefault(campaign_id, {})[state] = count
    return [Bound(row, code, name, version, counted.get(row.campaign_id, {})) for row, code, name, version in rows]


def handing_out(brand_id: int | None) -> Sequence[CampaignChannel]:
    """Bindings, of one brand or of all, whose stock gives coupons of the present terms to whoever takes them there."""
    statement = (
        select(CampaignChannel)
        .join(
            Campaign,
            (Campaign.brand_id == CampaignChannel.brand_id) & (Campaign.campaign_id == CampaignChannel.campaign_id),
        )
        .where(
            CampaignChannel.state.in_(rules.ISSUING),
            ~CampaignChannel.own_codes,
            CampaignChannel.stock_id.is_not(None),
            CampaignChannel.version == Campaign.version,
        )
        .order_by(CampaignChannel.brand_id, CampaignChannel.campaign_id)
    )
    if brand_id is not None:
        statement = statement.where(CampaignChannel.brand_id == brand_id)
    return session.scalars(statement).all()


def unsettled(limit: int) -> list[tuple[int, int]]:
    """Bindings whose stock a channel must still make, look at or end: (brand, campaign)."""
    rows = session.execute(
        select(CampaignChannel.brand_id, CampaignChannel.campaign_id)
        .where(
            or_(
                CampaignChannel.state.in_(("creating", "auditing", "sending", "paused", "stopped")),
                (CampaignChannel.state == "unbound") & CampaignChannel.made,
            )
        )
        .order_by(CampaignChannel.checked_at.asc().nulls_first())
        .limit(limit)
    )
    return [(brand_id, campaign_id) for brand_id, campaign_id in rows]


def quota(campaign_id: int) -> int:
    """How many coupons a campaign may give out in all."""
    return int(
        session.scalar(select(func.sum(CampaignStock.quota)).where(CampaignStock.campaign_id == campaign_id)) or 0
    )


def twin(brand_id: int, member_id: int, coupon_id: int) -> CouponTwin | None:
    """A coupon's twin, wherever its member was merged since."""
    member_id = family.living_id(brand_id, member_id)
    return session.get(CouponTwin, (brand_id, member_id, coupon_id), populate_existing=True)


def twin_of_coupon(brand_id: int, campaign_id: int, coupon_id: int) -> CouponTwin | None:
    """A coupon's twin, by what a request number and its stock name."""
    return session.scalar(
        select(CouponTwin).where(
            CouponTwin.brand_id == brand_id,
            CouponTwin.campaign_id == campaign_id,
            CouponTwin.coupon_id == coupon_id,
        )
    )


def twin_there(channel: str, stock_id: str, *, code: str | None, send_no: str | None) -> CouponTwin | None:
    """The twin behind a channel's code, also before our own request for it was answered: `send_no` names that."""
    found = by_code(channel, code) if code is not None else None
    if found is not None:
        return twin(found.brand_id, found.member_id, found.coupon_id)
    bound, coupon_id = binding_of_stock(channel, stock_id), rules.coupon_of(send_no or "")
    if bound is None or coupon_id is None:
        return None
    return twin_of_coupon(bound.brand_id, bound.campaign_id, coupon_id)


def whole(brand_id: int, member_id: int, coupon_id: int, *, lock: bool = False) -> Whole | None:
    """Both sides of a coupon, None when it has no twin. `lock` keeps both rows as they are in the transaction."""
    find = family.keep if lock else family.living_id
    member_id = find(brand_id=brand_id, member_id=member_id)
    key = (brand_id, member_id, coupon_id)
    coupon = session.get(Coupon, key, populate_existing=True, with_for_update=lock or None)
    found = session.get(CouponTwin, key, populate_existing=True, with_for_update=lock or None)
    if coupon is None or found is None:
        return None
    rows = session.scalars(
        select(Redemption)
        .where(Redemption.brand_id == brand_id, Redemption.member_id == member_id, Redemption.coupon_id == coupon_id)
        .order_by(Redemption.redemption_id.desc())
        .execution_options(populate_existing=True)
    )
    uses = [
        rules.Used(row.redemption_id, row.order_no, row.redeemed_at, row.returned_at is None, row.source)
        for row in rows
    ]
    return Whole(coupon, found, uses)


def side(row: CouponTwin) -> rules.Side:
    return rules.Side(row.state, row.asked_at is not None, row.use_ref, row.adopted, row.adopted_ref)


def by_code(channel: str, external_code: str) -> TwinCode | None:
    """Where the coupon behind a channel's code stands."""
    return session.get(TwinCode, (external_code, channel), populate_existing=True)


def own_code(brand_id: int, shown: str) -> str | None:
    """Our code behind a code that a channel made and a till read from its wallet; None for every other. Hot pool."""
    row = hot.fetch_one(_BY_CODE, {"brand_id": brand_id, "code": shown})
    return None if row is None else str(row[0])


def twins(
    brand_id: int, *, campaign_id: int | None, states: Collection[str], before: int | None, limit: int
) -> Sequence[CouponTwin]:
    """Twins of the brand, newest coupon first, before a coupon id."""
    statement = select(CouponTwin).where(CouponTwin.brand_id == brand_id)
    if campaign_id is not None:
        statement = statement.where(CouponTwin.campaign_id == campaign_id)
    if states:
        statement = statement.where(CouponTwin.state.in_(states))
    if before is not None:
        statement = statement.where(CouponTwin.coupon_id < before)
    return session.scalars(statement.order_by(CouponTwin.coupon_id.desc()).limit(limit)).all()


def conflicts(brand_id: int, *, closed: bool, before: int | None, limit: int) -> Sequence[TwinConflict]:
    """Conflicts of the brand, newest first, before a conflict id."""
    which = TwinConflict.closed_at.is_not(None) if closed else TwinConflict.closed_at.is_(None)
    statement = select(TwinConflict).where(TwinConflict.brand_id == brand_id, which)
    if before is not None:
        statement = statement.where(TwinConflict.conflict_id < before)
    return session.scalars(statement.order_by(TwinConflict.conflict_id.desc()).limit(limit)).all()


def conflict(brand_id: int, conflict_id: int) -> TwinConflict:
    """One conflict of the brand; TwinConflictUnknown otherwise."""
    row = session.scalar(
        select(TwinConflict).where(TwinConflict.brand_id == brand_id, TwinConflict.conflict_id == conflict_id)
    )
    if row is None:
        raise TwinConflictUnknown()
    return row


# Those who have an openid there, and a coupon since the binding began with the terms shown there, that no twin stands
# for yet.
_WITHOUT_TWIN = text("""
SELECT c.brand_id, c.member_id, c.coupon_id
FROM campaign_channel k
JOIN coupon c ON c.brand_id = k.brand_id AND c.campaign_id = k.campaign_id
WHERE k.state = 'sending' AND c.claimed_at >= k.bound_at AND c.status IN ('claimed', 'locked', 'returned')
  AND c.version = k.version
  AND c.coupon_id > :after
  AND NOT EXISTS (SELECT FROM coupon_twin t WHERE t.brand_id = c.brand_id AND t.member_id = c.member_id
                  AND t.coupon_id = c.coupon_id)
  AND EXISTS (
    SELECT FROM member m
    JOIN person p ON p.person_id = m.person_id
    JOIN person same ON coalesce(same.merged_into, same.person_id) = coalesce(p.merged_into, p.person_id)
    JOIN identity i ON i.person_id = same.person_id AND i.kind = 'openid'
    JOIN platform_account a ON a.brand_id = k.brand_id AND a.kind = 'miniprogram' AND a.namespace = i.namespace
    WHERE m.brand_id = c.brand_id AND m.member_id = c.member_id)
ORDER BY c.coupon_id
LIMIT :limit
""")


# Living members with the openids of theirs, those of persons who were merged into theirs among them.
_WALLETS = text("""
SELECT m.member_id, w.openids
FROM member m
CROSS JOIN LATERAL (
  SELECT array_agg(i.value ORDER BY i.linked_at, i.value) AS openids
  FROM (SELECT m.person_id UNION ALL SELECT p.person_id FROM person p WHERE p.merged_into = m.person_id) same
  JOIN identity i ON i.person_id = same.person_id AND i.kind = 'openid' AND i.namespace = :appid) w
WHERE m.brand_id = :brand_id AND m.member_id > :after AND m.status = 'active' AND w.openids IS NOT NULL
ORDER BY m.member_id
LIMIT :limit
""")


def wallets(brand_id: int, *, appid: str, after: int, limit: int) -> list[Wallets]:
    """The next members, by id, whom a mini-program knows, each with their openids."""
    rows = session.execute(_WALLETS, {"brand_id": brand_id, "appid": appid, "after": after, "limit": limit})
    return [Wallets(row.member_id, row.openids) for row in rows]


def to_look(*, before: datetime, limit: int) -> Sequence[CouponTwin]:
    """Living twins that were not compared since `before`, the longest ago first."""
    return session.scalars(
        select(CouponTwin)
        .where(CouponTwin.looked_at < before, CouponTwin.state.in_(rules.LIVING), CouponTwin.openid.is_not(None))
        .order_by(CouponTwin.looked_at, CouponTwin.coupon_id)
        .limit(limit)
        .execution_options(populate_existing=True)
    ).all()


def without_twin(limit: int, *, after: int = 0) -> list[tuple[int, int, int]]:
    """Coupons of bound campaigns that should have a twin and have none: (brand, member, coupon), by coupon, from the
    one that follows `after`.
    """
    rows = session.execute(_WITHOUT_TWIN, {"limit": limit, "after": after})
    return [(row.brand_id, row.member_id, row.coupon_id) for row in rows]
