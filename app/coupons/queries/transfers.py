"""Coupons on their way to friends, read in the open session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, select

from app.core import clock
from app.core.db import session

from .. import rules
from ..errors import TransferUnknown
from ..issue_models import CouponTransfer
from ..models import Campaign, Coupon
from ..rules import Terms
from .till import terms

PAGE = 50


class Offered(NamedTuple):
    """A transfer as giver and friend see it. `status`: open, taken, taken_back, or expired (the giver's again)."""

    transfer_id: int
    member_id: int
    coupon_id: int
    name: str
    terms: Terms
    valid_from: datetime
    valid_to: datetime
    status: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    taken_by: int | None


def transfers(brand_id: int, member_id: int, *, before: int | None = None, limit: int = PAGE) -> list[Offered]:
    """What a member offered to friends, newest first; `before` is the last transfer_id of the page before."""
    statement = _offered().where(CouponTransfer.brand_id == brand_id, CouponTransfer.member_id == member_id)
    if before is not None:
        statement = statement.where(CouponTransfer.transfer_id < before)
    rows = session.execute(statement.order_by(CouponTransfer.transfer_id.desc()).limit(limit))
    return [_told(brand_id, row) for row in rows]


def transfer(brand_id: int, member_id: int, transfer_id: int) -> Offered:
    """One transfer of a member; TransferUnknown otherwise."""
    row = session.execute(
        _offered().where(
            CouponTransfer.brand_id == brand_id,
            CouponTransfer.member_id == member_id,
            CouponTransfer.transfer_id == transfer_id,
        )
    ).one_or_none()
    if row is None:
        raise TransferUnknown()
    return _told(brand_id, row)


class Passed(NamedTuple):
    """Who took a coupon from a friend, and as which coupon of theirs."""

    taken_by: int
    coupon_id: int


def passed_on(brand_id: int, member_ids: Sequence[int], coupon_id: int) -> Passed | None:
    """What became of a coupon of one of these members with a friend, if one took it."""
    row = session.execute(
        select(CouponTransfer.taken_by, CouponTransfer.taken_coupon_id).where(
            CouponTransfer.brand_id == brand_id,
            CouponTransfer.member_id.in_(member_ids),
            CouponTransfer.coupon_id == coupon_id,
            CouponTransfer.status == "taken",
        )
    ).one_or_none()
    if row is None or row.taken_by is None or row.taken_coupon_id is None:
        return None
    return Passed(row.taken_by, row.taken_coupon_id)


def check_open(coupon: Coupon, at: datetime) -> None:
    """Raise why a coupon cannot be given away at a moment. One that is not valid yet can."""
    rules.check_usable(coupon, at=at, early=True)


def _offered() -> Select[*tuple[Any, ...]]:
    same = (Coupon.brand_id == CouponTransfer.brand_id) & (Coupon.member_id == CouponTransfer.member_id)
    return (
        select(CouponTransfer, Coupon.campaign_id, Coupon.version, Coupon.valid_from, Coupon.valid_to, Campaign.name)
        .join(Coupon, same & (Coupon.coupon_id == CouponTransfer.coupon_id))
        .join(Campaign, (Campaign.brand_id == Coupon.brand_id) & (Campaign.campaign_id == Coupon.campaign_id))
        .execution_options(populate_existing=True)
    )


def _told(brand_id: int, row: Row[*tuple[Any, ...]]) -> Offered:
    found: CouponTransfer = row.CouponTransfer
    over = found.status == "open" and found.expires_at <= clock.now()
    return Offered(
        found.transfer_id,
        found.member_id,
        found.coupon_id,
        row.name,
        terms(brand_id, row.campaign_id, row.version),
        row.valid_from,
        row.valid_to,
        "expired" if over else found.status,
        found.created_at,
        found.expires_at,
        found.ended_at,
        found.taken_by,
    )
