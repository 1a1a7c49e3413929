"""Tables of tiers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, distribution


class Tier(Base):
    """A step of a brand's ladder: reached with `growth_from` growth in the window; earns points at `points_rate_bp`."""

    __tablename__ = "tier"
    __table_args__ = (
        UniqueConstraint("brand_id", "code"),
        UniqueConstraint("brand_id", "rank"),
        UniqueConstraint("brand_id", "growth_from"),
        CheckConstraint("growth_from >= 0 AND points_rate_bp >= 0", name="positive"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tier_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str]
    name: Mapped[str]
    rank: Mapped[int]
    growth_from: Mapped[int]
    points_rate_bp: Mapped[int] = mapped_column(default=10_000, server_default="10000")


class TierPolicy(Base):
    __tablename__ = "tier_policy"
    __table_args__ = (
        CheckConstraint("window_days > 0 AND protection_days >= 0", name="days"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    window_days: Mapped[int]
    protection_days: Mapped[int]


class MemberTier(Base):
    """A span of time in which a member has a tier. Spans never overlap; the one without an end is the present.

    `begun_by` and `ended_by`: the merge of members that began or ended the span, if one did. A split takes back what
    its merge did, so a merged member has no present span, and one who was parted has the former again.
    """

    __tablename__ = "member_tier"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "tier_id"], ["tier.brand_id", "tier.tier_id"]),
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="span"),
        CheckConstraint("reason IN ('reached', 'review', 'import', 'merge')", name="reason"),
        ExcludeConstraint(
            ("brand_id", "="),
            ("member_id", "="),
            (func.tstzrange(text("valid_from"), text("valid_to")), "&&"),
            name="ex_member_tier_overlap",
            using="gist",
        ),
        # A member without a present span would not be found by the exclusion; two present ones are refused by it.
        Index(
            "uq_member_tier_current", "brand_id", "member_id", unique=True, postgresql_where=text("valid_to IS NULL")
        ),
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    tier_id: Mapped[int]
    valid_to: Mapped[datetime | None]
    reason: Mapped[str]
    correlation_id: Mapped[str] = mapped_column(index=True)
    begun_by: Mapped[int | None]
    ended_by: Mapped[int | None]


class Benefit(Base):
    """What a tier gives: a coupon of a campaign or a number of points, once or again each month or year."""

    __tablename__ = "benefit"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "tier_id"], ["tier.brand_id", "tier.tier_id"]),
        CheckConstraint(
            "(kind = 'coupon' AND campaign_id IS NOT NULL AND points IS NULL)"
            " OR (kind = 'points' AND points > 0 AND campaign_id IS NULL)",
            name="kind",
        ),
        CheckConstraint("period IN ('once', 'monthly', 'yearly')", name="period"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    benefit_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tier_id: Mapped[int]
    kind: Mapped[str]
    campaign_id: Mapped[int | None]
    points: Mapped[int | None]
    period: Mapped[str]
    name: Mapped[str]


class BenefitGrant(Base):
    __tablename__ = "benefit_grant"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "benefit_id"], ["benefit.brand_id", "benefit.benefit_id"]),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    benefit_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(primary_key=True)
    granted_at: Mapped[datetime]
    correlation_id: Mapped[str] = mapped_column(index=True)
    origin_member_id: Mapped[int | None]
