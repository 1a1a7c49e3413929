"""The cash desk of a store without an integrated till: who pressed the button, for what order, and who may undo it.

A slip is written in the transaction that redeems its coupons, and shares its correlation id with their redemptions.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, ColumnElement, Index, and_, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution, session
from app.core.errors import Conflict

from .errors import RedemptionReturned, RedemptionUnknown
from .models import Campaign, Coupon, Redemption

SOURCE = "desk"
OWN_UNDO = timedelta(minutes=30)
UNDO_REASONS = ("order_cancelled", "wrong_amount", "wrong_coupon", "other_offer", "fault")


class UndoByAnother(Conflict):
    code, message = "undo_by_another", "After half an hour somebody else has to undo it, on the same day."


class UndoTooLate(Conflict):
    code, message = "undo_too_late", "A redemption of the desk is undone on its own day only."


def check_undo(*, redeemed_at: datetime, by_self: bool, at: datetime, timezone: str) -> None:
    """The one place that says when a redemption of the desk may be undone; raises why not.

    On the business day it was made (or within half an hour, past midnight too), by anybody who works for the store or
    above it. Whoever redeemed it has half an hour; later a second pair of eyes is needed.
    """
    if at < redeemed_at + OWN_UNDO:
        return
    zone = ZoneInfo(timezone)
    if at.astimezone(zone).date() != redeemed_at.astimezone(zone).date():
        raise UndoTooLate()
    if by_self:
        raise UndoByAnother()


class DeskSlip(Base):
    """`amount_fen` is the order before its coupons.

    `undone_by` are the ids of console users, `undo_reason` one of UNDO_REASONS.
    """

    __tablename__ = "desk_slip"
    __table_args__ = (
        CheckConstraint("amount_fen >= 0", name="amount_fen"),
        CheckConstraint(f"undo_reason IN ({', '.join(map(repr, UNDO_REASONS))})", name="undo_reason"),
        CheckConstraint(
            "(undone_at IS NULL) = (undo_reason IS NULL) AND (undone_at IS NULL) = (undone_by IS NULL)", name="undone"
        ),
        Index("ix_desk_slip_store_id_created_at", "brand_id", "store_id", "created_at"),
        Index("ix_desk_slip_correlation_id", "correlation_id"),
        distribution("store_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slip_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    admin_id: Mapped[int]
    order_no: Mapped[str]
    amount_fen: Mapped[int]
    created_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None]
    undo_reason: Mapped[str | None]
    correlation_id: Mapped[str]


def write(*, brand_id: int, store_id: int, admin_id: int, order_no: str, amount_fen: int) -> DeskSlip:
    """A new slip, of what the open transaction redeems."""
    slip = DeskSlip(
        brand_id=brand_id,
        store_id=store_id,
        admin_id=admin_id,
        order_no=order_no,
        amount_fen=amount_fen,
        created_at=clock.now(),
        correlation_id=context.correlation_id(),
    )
    session.add(slip)
    session.flush()
    return slip


def mark_undone(*, brand_id: int, store_id: int, slip_id: int, admin_id: int, reason: str) -> None:
    """Note who takes a slip back; RedemptionReturned when somebody did."""
    marked = session.execute(
        update(DeskSlip)
        .where(
            DeskSlip.brand_id == brand_id,
            DeskSlip.store_id == store_id,
            DeskSlip.slip_id == slip_id,
            DeskSlip.undone_at.is_(None),
        )
        .values(undone_at=clock.now(), undone_by=admin_id, undo_reason=reason)
        .returning(DeskSlip.slip_id)
    ).one_or_none()
    if marked is None:
        raise RedemptionReturned()


class Used(NamedTuple):
    """A slip and a coupon redeemed with it."""

    slip: DeskSlip
    redemption: Redemption
    campaign_id: int
    version: int
    name: str


def used(brand_id: int, store_id: int, slip_id: int) -> list[Used]:
    """The coupons redeemed with a slip; RedemptionUnknown when it is not the store's."""
    found = _used(brand_id, store_id, DeskSlip.slip_id == slip_id)
    if not found:
        raise RedemptionUnknown()
    return found


def of_order(brand_id: int, store_id: int, order_no: str) -> list[Used]:
    """The coupons redeemed at a store's desk for an order number, those given back left out."""
    return _used(brand_id, store_id, Redemption.order_no == order_no, Redemption.returned_at.is_(None))


def listed(
    brand_id: int, store_id: int, since: datetime, until: datetime, *, before: int | None = None, limit: int = 50
) -> list[list[Used]]:
    """What a store's desk redeemed in [since, until) by slip, newest first, below an id of a slip."""
    slips = select(DeskSlip.slip_id).where(
        DeskSlip.brand_id == brand_id,
        DeskSlip.store_id == store_id,
        DeskSlip.created_at >= since,
        DeskSlip.created_at < until,
    )
    if before is not None:
        slips = slips.where(DeskSlip.slip_id < before)
    wanted = session.scalars(slips.order_by(DeskSlip.slip_id.desc()).limit(limit)).all()
    rows = _used(brand_id, store_id, DeskSlip.slip_id.in_(wanted))
    return [list(group) for _, group in groupby(rows, key=lambda one: one.slip.slip_id)]


def _used(brand_id: int, store_id: int, *conditions: ColumnElement[bool]) -> list[Used]:
    statement = (
        select(DeskSlip, Redemption, Coupon.campaign_id, Coupon.version, Campaign.name)
        .join(Redemption, _JOINED)
        .join(
            Coupon,
            and_(
                Coupon.brand_id == Redemption.brand_id,
                Coupon.member_id == Redemption.member_id,
                Coupon.coupon_id == Redemption.coupon_id,
            ),
        )
        .join(Campaign, and_(Campaign.brand_id == Coupon.brand_id, Campaign.campaign_id == Coupon.campaign_id))
        .where(DeskSlip.brand_id == brand_id, DeskSlip.store_id == store_id, *conditions)
        .order_by(DeskSlip.slip_id.desc(), Redemption.redemption_id)
    )
    return [Used._make(row) for row in session.execute(statement)]


_JOINED = and_(
    Redemption.brand_id == DeskSlip.brand_id,
    Redemption.correlation_id == DeskSlip.correlation_id,
    Redemption.store_id == DeskSlip.store_id,
    Redemption.source == SOURCE,
)


class Totals(NamedTuple):
    """Of a store's desk: redemptions that stand, what they took off, their orders before that, and how many went back.

    Money in fen.
    """

    redeemed: int
    discount_fen: int
    amount_fen: int
    undone: int


def totals(brand_id: int, store_id: int, since: datetime, until: datetime) -> Totals:
    """The sums of `listed`."""
    stands = Redemption.returned_at.is_(None)
    slips = (
        select(
            DeskSlip.amount_fen,
            func.count().filter(stands).label("redeemed"),
            func.coalesce(func.sum(Redemption.discount_fen).filter(stands), 0).label("discount_fen"),
            func.count().filter(~stands).label("undone"),
        )
        .join(Redemption, _JOINED)
        .where(
            DeskSlip.brand_id == brand_id,
            DeskSlip.store_id == store_id,
            DeskSlip.created_at >= since,
            DeskSlip.created_at < until,
        )
        .group_by(DeskSlip.brand_id, DeskSlip.store_id, DeskSlip.slip_id)
        .subquery()
    )
    row = session.execute(
        select(
            func.coalesce(func.sum(slips.c.redeemed), 0),
            func.coalesce(func.sum(slips.c.discount_fen), 0),
            func.coalesce(func.sum(slips.c.amount_fen).filter(slips.c.redeemed > 0), 0),
            func.coalesce(func.sum(slips.c.undone), 0),
        )
    ).one()
    return Totals(*(int(value) for value in row))
