"""Pushes and batches of redeem codes, read in the open session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    Text,
    and_,
    column,
    false,
    func,
    select,
    true,
    union_all,
    values,
)
from sqlalchemy.orm import aliased

from app.core.db import session
from app.members.models import Member

from ..errors import BatchUnknown, PushUnknown
from ..issue_models import CouponHoldOut, CouponPush, RedeemBatch, RedeemCode
from ..models import Campaign, Coupon


class Named(NamedTuple):
    """A push with the name of its campaign."""

    push: CouponPush
    campaign: str


def given_by_push(brand_id: int, push_id: int) -> Select[int]:
    """Who got a push's coupon themselves, as a statement. As of who was held out, only whom nobody was merged with and
    who was not forgotten: a human who was both given it and held out belongs to neither side of a comparison.
    """
    return select(Coupon.member_id).where(
        Coupon.brand_id == brand_id,
        Coupon.source == "push",
        Coupon.source_ref == f"push:{push_id}",
        Coupon.origin_member_id.is_(None),
        _alone(Coupon.brand_id, Coupon.member_id),
    )


def held_out_of_push(brand_id: int, push_id: int) -> Select[int]:
    """Who was kept out of a push to compare with, as a statement. Who an earlier push of the campaign kept out is left
    out where the others of that time were passed over, as they had all that one member may have.
    """
    limited = aliased(CouponPush)
    earlier = aliased(CouponHoldOut)
    out_before = (
        select(earlier.push_id)
        .join(limited, (limited.brand_id == earlier.brand_id) & (limited.push_id == push_id) & (limited.limited > 0))
        .where(
            earlier.brand_id == CouponHoldOut.brand_id,
            earlier.member_id == CouponHoldOut.member_id,
            earlier.campaign_id == CouponHoldOut.campaign_id,
            earlier.push_id < push_id,
        )
    )
    return select(CouponHoldOut.member_id).where(
        CouponHoldOut.brand_id == brand_id,
        CouponHoldOut.push_id == push_id,
        _alone(CouponHoldOut.brand_id, CouponHoldOut.member_id),
        ~out_before.exists(),
    )


def compared_pushes(brand_id: int, campaign_id: int) -> Sequence[CouponPush]:
    """A campaign's pushes that held members out, in their order: the others have nobody to be compared with."""
    of = (CouponPush.brand_id == brand_id, CouponPush.campaign_id == campaign_id, CouponPush.hold_out_bp > 0)
    return session.scalars(select(CouponPush).where(*of).order_by(CouponPush.push_id)).all()


def sides_of_campaign(
    brand_id: int, campaign_id: int, pushes: Sequence[CouponPush]
) -> Select[int, int | None, Any, Any]:
    """Both sides of a campaign's compared pushes (one at least), as a statement of (member_id, home_store_id, got,
    since): each member once, `since` the beginning of the first push that gave them a coupon or kept them out. Who one
    push gave it to and another kept out is on neither side, nor who was merged or forgotten, as for one push.
    """
    # As values and not as a query, so that the planner knows how many they are and reads the campaign's coupons once.
    told = values(
        column("push_id", BigInteger), column("ref", Text), column("since", DateTime(timezone=True)), name="compared"
    ).data([(one.push_id, f"push:{one.push_id}", one.created_at) for one in pushes])
    given = (
        select(Coupon.member_id, true().label("got"), told.c.since)
        .join(told, told.c.ref == Coupon.source_ref)
        .where(
            Coupon.brand_id == brand_id,
            Coupon.campaign_id == campaign_id,
            Coupon.source == "push",
            Coupon.origin_member_id.is_(None),
        )
    )
    kept_out = (
        select(CouponHoldOut.member_id, false().label("got"), told.c.since)
        .join(told, told.c.push_id == CouponHoldOut.push_id)
        .where(CouponHoldOut.brand_id == brand_id)
    )
    each = union_all(given, kept_out).subquery()
    sides = (
        select(each.c.member_id, func.bool_or(each.c.got).label("got"), func.min(each.c.since).label("since"))
        .group_by(each.c.member_id)
        .having(func.bool_or(each.c.got) == func.bool_and(each.c.got))
        .subquery()
    )
    return (
        select(Member.member_id, Member.home_store_id, sides.c.got, sides.c.since)
        .join(sides, sides.c.member_id == Member.member_id)
        .where(Member.brand_id == brand_id, Member.status == "active", ~_merged(brand_id, Member.member_id))
    )


def _alone(brand_id: Any, member_id: Any) -> ColumnElement[bool]:
    """That a member is active, and that nobody was merged with them."""
    me = aliased(Member)
    active = select(me.member_id).where(me.brand_id == brand_id, me.member_id == member_id, me.status == "active")
    return and_(active.exists(), ~_merged(brand_id, member_id))


def _merged(brand_id: Any, member_id: Any) -> ColumnElement[bool]:
    """That somebody was merged with a member."""
    loser = aliased(Member)
    return select(loser.member_id).where(loser.brand_id == brand_id, loser.merged_into == member_id).exists()


class NamedBatch(NamedTuple):
    """A batch with the name of its campaign."""

    batch: RedeemBatch
    campaign: str


def pushes(brand_id: int, *, before: int | None = None, limit: int) -> list[Named]:
    """The brand's pushes, newest first; `before` is the last push_id of the page before."""
    statement = _pushes(brand_id).order_by(CouponPush.push_id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(CouponPush.push_id < before)
    return [Named(*row) for row in session.execute(statement)]


def push(brand_id: int, push_id: int) -> Named:
    """One push of the brand; PushUnknown otherwise."""
    found = session.execute(_pushes(brand_id).where(CouponPush.push_id == push_id)).one_or_none()
    if found is None:
        raise PushUnknown()
    return Named(*found)


def _pushes(brand_id: int) -> Select[CouponPush, str]:
    return (
        select(CouponPush, Campaign.name)
        .join(Campaign, (Campaign.brand_id == CouponPush.brand_id) & (Campaign.campaign_id == CouponPush.campaign_id))
        .where(CouponPush.brand_id == brand_id)
        .execution_options(populate_existing=True)
    )


def batches(brand_id: int, *, before: int | None = None, limit: int) -> list[NamedBatch]:
    """The brand's batches of codes, newest first; `before` is the last batch_id of the page before."""
    statement = _batches(brand_id).order_by(RedeemBatch.batch_id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(RedeemBatch.batch_id < before)
    return [NamedBatch(*row) for row in session.execute(statement)]


def batch(brand_id: int, batch_id: int) -> NamedBatch:
    """One batch of the brand; BatchUnknown otherwise."""
    found = session.execute(_batches(brand_id).where(RedeemBatch.batch_id == batch_id)).one_or_none()
    if found is None:
        raise BatchUnknown()
    return NamedBatch(*found)


def _batches(brand_id: int) -> Select[RedeemBatch, str]:
    return (
        select(RedeemBatch, Campaign.name)
        .join(
            Campaign, (Campaign.brand_id == RedeemBatch.brand_id) & (Campaign.campaign_id == RedeemBatch.campaign_id)
        )
        .where(RedeemBatch.brand_id == brand_id)
        .execution_options(populate_existing=True)
    )


def codes_used(brand_id: int, batch_ids: Sequence[int]) -> dict[int, int]:
    """How many codes of each of these batches were exchanged."""
    rows = session.execute(
        select(RedeemCode.batch_id, func.count())
        .where(RedeemCode.brand_id == brand_id, RedeemCode.batch_id.in_(batch_ids), RedeemCode.used_at.is_not(None))
        .group_by(RedeemCode.batch_id)
    )
    return dict(rows.all())
