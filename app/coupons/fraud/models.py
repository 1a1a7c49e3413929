"""Tables of fraud: rules a brand changed, how far the watch has looked, flags, guides' own phones."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import context, ids
from app.core.db import Base, distribution

from .rules import LONGEST, STATUSES


class FraudRule(Base):
    """A watched rule as a brand wants it; without a row the default of `rules.WATCHED` holds."""

    __tablename__ = "coupon_fraud_rule"
    __table_args__ = (
        CheckConstraint("threshold >= 1", name="threshold"),
        CheckConstraint(f"window_seconds BETWEEN 60 AND {LONGEST}", name="window_seconds"),
        Index("ix_coupon_fraud_rule_correlation_id", "correlation_id"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    threshold: Mapped[int] = mapped_column(Integer)
    window_seconds: Mapped[int] = mapped_column(Integer)
    active: Mapped[bool]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class Watch(Base):
    """Up to when a brand's redemptions and coupons were looked at."""

    __tablename__ = "coupon_watch"
    __table_args__ = (distribution("brand_id"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    looked_to: Mapped[datetime]


class Flag(Base):
    """Something for a human to look at, once per rule, subject and window of time.

    `subject` is kind and id (member:123, store:5, till:7, coupon:9, address: a keyed hash); the ids beside it say whom
    it concerns, as they were called then. `count` is the most that was counted within the window, `evidence` JSON of
    public ids and moments. `words` are why somebody cleared or confirmed it.
    """

    __tablename__ = "coupon_flag"
    __table_args__ = (
        CheckConstraint(f"status IN ({', '.join(repr(status) for status in STATUSES)})", name="status"),
        CheckConstraint("count >= 1", name="count"),
        CheckConstraint(
            "(status = 'open') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)"
            " AND (decided_by IS NULL) = (words IS NULL)",
            name="decided",
        ),
        Index("ix_coupon_flag_flag_id", "brand_id", "flag_id"),
        Index("ix_coupon_flag_status", "brand_id", "status", "flag_id"),
        Index("ix_coupon_flag_member_id", "brand_id", "member_id", postgresql_where=text("member_id IS NOT NULL")),
        Index("ix_coupon_flag_correlation_id", "correlation_id"),
        distribution("subject"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    window_from: Mapped[datetime] = mapped_column(primary_key=True)
    flag_id: Mapped[int] = mapped_column(default=ids.new_id)
    count: Mapped[int] = mapped_column(Integer)
    member_id: Mapped[int | None]
    store_id: Mapped[int | None]
    guide_id: Mapped[int | None]
    evidence: Mapped[dict[str, Any]]
    status: Mapped[str]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    words: Mapped[str | None]
    created_at: Mapped[datetime]
    correlation_id: Mapped[str]


class GuidePhone(Base):
    """A guide's own number, as the blind index that finds a member with it; `phone_tail` is for people."""

    __tablename__ = "guide_phone"
    __table_args__ = (Index("ix_guide_phone_correlation_id", "correlation_id"), distribution("reference"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    phone_index: Mapped[str] = mapped_column(primary_key=True)
    guide_id: Mapped[int] = mapped_column(ForeignKey("guide.id"))
    phone_tail: Mapped[str]
    told_by: Mapped[str]
    told_at: Mapped[datetime]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)
