"""Tables of what members have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core import ids
from app.core.db import Base, distribution

from ..rules import SOURCES, STATUSES
from .parts import one_of


class Coupon(Base):
    """One member's coupon. `seq` counts the member's coupons of the campaign; its uniqueness is the member's limit.

    One that came with a merged member has the `origin_member_id` it goes home to, and a new seq after the winner's.
    `moved` keeps what it was called before, by the member it left: {"123": {"seq": 2, "ref": "benefit:1:once"}}.
    """

    __tablename__ = "coupon"
    __table_args__ = (
        UniqueConstraint("brand_id", "member_id", "campaign_id", "seq"),
        UniqueConstraint("brand_id", "member_id", "source", "source_ref", name="uq_coupon_source_ref"),
        ForeignKeyConstraint(
            ["brand_id", "campaign_id", "version"],
            ["campaign_version.brand_id", "campaign_version.campaign_id", "campaign_version.version"],
        ),
        one_of("status", STATUSES),
        one_of("source", SOURCES),
        CheckConstraint("seq >= 1", name="seq"),
        CheckConstraint("valid_from < valid_to", name="validity"),
        CheckConstraint("(status = 'locked') = (locked_order IS NOT NULL)", name="locked_order"),
        CheckConstraint("(locked_order IS NULL) = (locked_until IS NULL)", name="locked_until"),
        Index("ix_coupon_campaign", "brand_id", "campaign_id", "status"),
        Index("ix_coupon_open", "valid_to", postgresql_where=text("status IN ('claimed', 'locked', 'returned')")),
        Index("ix_coupon_locked", "locked_until", postgresql_where=text("status = 'locked'")),
        Index("ix_coupon_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    version: Mapped[int] = mapped_column(Integer)
    seq: Mapped[int] = mapped_column(Integer)
    code: Mapped[str]
    status: Mapped[str]
    claimed_at: Mapped[datetime]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    source: Mapped[str]
    source_ref: Mapped[str | None]
    guide_id: Mapped[int | None]
    locked_order: Mapped[str | None]
    locked_until: Mapped[datetime | None]
    code_step: Mapped[int | None]
    correlation_id: Mapped[str]
    origin_member_id: Mapped[int | None]
    moved: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class CouponCode(Base):
    """From a code to its coupon: the one place where codes are unique."""

    __tablename__ = "coupon_code"
    __table_args__ = (distribution("code"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    member_id: Mapped[int]
    coupon_id: Mapped[int]


class CouponEvent(Base):
    """Every change of a coupon's state, append-only: triggers refuse all but the move of a row, as it is, with its
    coupon to the member that its member was merged into (migration 0015).
    """

    __tablename__ = "coupon_event"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"], ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"]
        ),
        Index("ix_coupon_event_correlation_id", "correlation_id"),
        # What ends unused is looked for by time in reports; events of the hot path are not in it.
        Index("ix_coupon_event_ended", "brand_id", "at", postgresql_where=text("to_status IN ('expired', 'voided')")),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    cause: Mapped[str]
    order_no: Mapped[str | None]
    store_id: Mapped[int | None]
    at: Mapped[datetime]
    correlation_id: Mapped[str]
