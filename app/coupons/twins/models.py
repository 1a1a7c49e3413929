"""Tables of coupons' twins: which campaign is shown in which channel, each coupon's twin there, contradictions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import ids
from app.core.db import Base, distribution

from . import rules


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


class CampaignChannel(Base):
    """A campaign bound to a channel; what is shown there is what coupons of `version` promise.

    product_id and stock_id are the channel's, once it has answered. own_codes: the channel shows our codes; else it
    makes its own and users may take coupons there. `made`: the stock was made for this binding and ends with it.
    store_id: where uses that happen in the channel are booked. `most`: how many coupons the stock may give out, as we
    last told or heard. `round` counts bindings, for request numbers.
    """

    __tablename__ = "campaign_channel"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "campaign_id"], ["campaign.brand_id", "campaign.campaign_id"]),
        UniqueConstraint("channel", "stock_id"),
        _one_of("channel", rules.CHANNELS),
        _one_of("state", rules.BINDING_STATES),
        CheckConstraint("(product_id IS NULL) = (stock_id IS NULL)", name="stock"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer)
    channel: Mapped[str]
    product_id: Mapped[str | None]
    stock_id: Mapped[str | None]
    state: Mapped[str]
    own_codes: Mapped[bool]
    made: Mapped[bool]
    round: Mapped[int] = mapped_column(SmallInteger)
    image_url: Mapped[str]
    store_id: Mapped[int]
    most: Mapped[int | None]
    last_error: Mapped[str | None]
    bound_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    bound_by: Mapped[str]
    correlation_id: Mapped[str] = mapped_column(index=True)


class CouponTwin(Base):
    """A coupon as a channel shows it. It goes where its coupon goes when members are merged.

    fact_at and fact_rank are of the newest thing the channel said; `use_ref` is the request number of its last use
    there. asked_at: a coupon was asked for. `adopted` is the redemption made of ours for the use `adopted_ref`; NULL
    where none could be made and ours was withdrawn instead.
    openid: in whose wallet it is, NULL once they are forgotten. looked_at: when the nightly run last compared it.
    """

    __tablename__ = "coupon_twin"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"], ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"]
        ),
        _one_of("channel", rules.CHANNELS),
        _one_of("state", rules.STATES),
        CheckConstraint("adopted IS NULL OR adopted_ref IS NOT NULL", name="adopted"),
        Index("ix_coupon_twin_campaign", "brand_id", "campaign_id", "coupon_id"),
        Index(
            "ix_coupon_twin_living",
            "looked_at",
            "coupon_id",
            postgresql_where=text(f"state IN ({', '.join(repr(one) for one in rules.LIVING)}) AND openid IS NOT NULL"),
        ),
        Index("ix_coupon_twin_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    channel: Mapped[str]
    product_id: Mapped[str]
    stock_id: Mapped[str]
    own_codes: Mapped[bool]
    appid: Mapped[str]
    openid: Mapped[str | None]
    external_code: Mapped[str | None]
    state: Mapped[str]
    fact_at: Mapped[datetime | None]
    fact_rank: Mapped[int] = mapped_column(SmallInteger)
    use_ref: Mapped[str | None]
    order_no: Mapped[str | None]
    adopted: Mapped[int | None]
    adopted_ref: Mapped[str | None]
    asked_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    looked_at: Mapped[datetime]
    created_at: Mapped[datetime]
    correlation_id: Mapped[str]


class TwinCode(Base):
    """From a channel's code to the coupon: a code of a channel belongs to one coupon of ours."""

    __tablename__ = "twin_code"
    __table_args__ = (distribution("external_code"),)

    external_code: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    member_id: Mapped[int]
    coupon_id: Mapped[int]


class TwinConflict(Base):
    """What both sides say of a coupon and cannot both be true: one row for each kind and reference, for a person.

    `ours` and `theirs` hold states, request and order numbers, never names. `note` is what the person wrote.
    """

    __tablename__ = "twin_conflict"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"], ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"]
        ),
        _one_of("kind", rules.CONFLICTS),
        CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed"),
        Index("ix_twin_conflict_conflict_id", "brand_id", "conflict_id"),
        Index(
            "ix_twin_conflict_open", "brand_id", "conflict_id", postgresql_where=text("closed_at IS NULL")
        ),
        Index("ix_twin_conflict_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(primary_key=True)
    conflict_id: Mapped[int] = mapped_column(default=ids.new_id)
    channel: Mapped[str]
    ours: Mapped[dict[str, Any]]
    theirs: Mapped[dict[str, Any]]
    found_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    note: Mapped[str | None]
    correlation_id: Mapped[str]
