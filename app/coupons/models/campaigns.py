"""Tables of campaigns: what is promised, and how much of it there is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core import ids
from app.core.db import Base, distribution

from ..rules import KINDS
from .parts import one_of

CAMPAIGN_STATUSES = ("draft", "submitted", "active", "paused", "ended", "voided")


class Campaign(Base):
    """A coupon campaign; `version` names the terms that new coupons get."""

    __tablename__ = "campaign"
    __table_args__ = (
        UniqueConstraint("brand_id", "code"),
        one_of("kind", KINDS),
        one_of("status", CAMPAIGN_STATUSES),
        CheckConstraint("day_quota >= 1", name="day_quota"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    claimable: Mapped[bool]
    created_at: Mapped[datetime]
    day_quota: Mapped[int | None]
    allocated: Mapped[bool] = mapped_column(server_default="false", default=False)
    budgeted: Mapped[bool] = mapped_column(server_default="false", default=False)
    created_by: Mapped[str] = mapped_column(server_default="", default="")
    submitted_by: Mapped[str | None]
    approved_by: Mapped[str | None]


class CampaignEvent(Base):
    """Who switched a campaign, when and why; append-only."""

    __tablename__ = "campaign_event"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "campaign_id"], ["campaign.brand_id", "campaign.campaign_id"]),
        Index("ix_campaign_event_correlation_id", "correlation_id"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    action: Mapped[str]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    reason: Mapped[str]
    details: Mapped[dict[str, Any]]
    actor: Mapped[str]
    at: Mapped[datetime]
    correlation_id: Mapped[str]


class CampaignPolicy(Base):
    """From which size on a brand's campaigns are approved by a second person; None: never for that measure.

    `set_by` set it last. What they submit is held to the `strict` sizes too: the smallest that it had since somebody
    else set it.
    """

    __tablename__ = "campaign_policy"
    __table_args__ = (
        CheckConstraint("approve_quota >= 1 AND approve_budget_fen >= 1", name="positive"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    approve_quota: Mapped[int | None]
    approve_budget_fen: Mapped[int | None]
    set_by: Mapped[str] = mapped_column(server_default="", default="")
    strict_quota: Mapped[int | None]
    strict_budget_fen: Mapped[int | None]


class CampaignVersion(Base):
    """Terms as once promised; never changed, so that every process may keep them in memory."""

    __tablename__ = "campaign_version"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "campaign_id"], ["campaign.brand_id", "campaign.campaign_id"]),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    terms: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class CampaignStock(Base):
    """A campaign's stock, cut into stripes so that a burst of claims does not wait on one row."""

    __tablename__ = "campaign_stock"
    __table_args__ = (CheckConstraint("0 <= issued AND issued <= quota", name="issued"), distribution("campaign_id"))

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stripe: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    brand_id: Mapped[int]
    quota: Mapped[int]
    issued: Mapped[int]


class CampaignDay(Base):
    """What a campaign with a day's stock gave out on a local day."""

    __tablename__ = "campaign_day"
    __table_args__ = (CheckConstraint("0 <= issued AND issued <= quota", name="issued"), distribution("campaign_id"))

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    quota: Mapped[int]
    issued: Mapped[int]


class CampaignAllocation(Base):
    """The part of a campaign's stock that one store gives out."""

    __tablename__ = "campaign_allocation"
    __table_args__ = (CheckConstraint("0 <= issued AND issued <= quota", name="issued"), distribution("campaign_id"))

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    brand_id: Mapped[int]
    quota: Mapped[int]
    issued: Mapped[int]


class CampaignBudget(Base):
    """How much a campaign's coupons may take off in all, and what live redemptions have taken, in fen."""

    __tablename__ = "campaign_budget"
    __table_args__ = (
        CheckConstraint("0 <= spent_fen AND spent_fen <= budget_fen", name="spent"),
        distribution("campaign_id"),
    )

    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    brand_id: Mapped[int]
    budget_fen: Mapped[int]
    spent_fen: Mapped[int]
