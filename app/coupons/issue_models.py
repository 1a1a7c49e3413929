"""Tables of the ways by which coupons reach members: pushes, guides, gifts, printed codes, friends."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution

from .gift_rules import KINDS


def _of_campaign() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["brand_id", "campaign_id"], ["campaign.brand_id", "campaign.campaign_id"])


class CouponPush(Base):
    """A campaign given to everybody a segment has at `as_of`, chunk by chunk; `cursor` is the last member dealt with.

    `audience` is None until the segment was written down. Each member of it is counted once: `issued`, `held_out` (kept
    out to compare with, `hold_out_bp` of those who would have got one), `opted_out` (wants no advertising), `limited`
    (has all that one member may have) or `gone` (merged, frozen or erased since). `stop_reason`: operator, sold_out,
    sold_out_today, store_needed (the stock went to the stores), campaign_paused or campaign_closed.
    """

    __tablename__ = "coupon_push"
    __table_args__ = (
        _of_campaign(),
        CheckConstraint("status IN ('running', 'stopped', 'done')", name="status"),
        CheckConstraint("(status = 'stopped') = (stop_reason IS NOT NULL)", name="stop_reason"),
        CheckConstraint("hold_out_bp BETWEEN 0 AND 9999", name="hold_out_bp"),
        Index("ix_coupon_push_correlation_id", "correlation_id"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    push_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    campaign_id: Mapped[int]
    segment_id: Mapped[int]
    as_of: Mapped[datetime]
    hold_out_bp: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(default="running")
    stop_reason: Mapped[str | None]
    audience: Mapped[int | None]
    cursor: Mapped[int] = mapped_column(default=0)
    issued: Mapped[int] = mapped_column(default=0)
    held_out: Mapped[int] = mapped_column(default=0)
    opted_out: Mapped[int] = mapped_column(default=0)
    limited: Mapped[int] = mapped_column(default=0)
    gone: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class CouponHoldOut(Base):
    """A member who would have got a push's coupon and was kept out, so that a report has somebody to compare with.

    Stays with the member it was said of: who is merged afterwards belongs to neither side of a comparison.
    """

    __tablename__ = "coupon_hold_out"
    __table_args__ = (
        Index("ix_coupon_hold_out_push_id", "brand_id", "push_id"),
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    push_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int]
    at: Mapped[datetime]
    correlation_id: Mapped[str]


class GuideCouponLimit(Base):
    """How many coupons of a campaign one guide may give on one day of the brand. A campaign with such a row is given
    by guides whether or not members may claim it themselves; 0: by no guide.
    """

    __tablename__ = "guide_coupon_limit"
    __table_args__ = (_of_campaign(), CheckConstraint("per_day >= 0", name="per_day"), distribution("reference"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    per_day: Mapped[int] = mapped_column(Integer)
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)


class GuideCouponQuota(Base):
    """How many a guide has given of a campaign on one day; the row every such coupon goes through."""

    __tablename__ = "guide_coupon_quota"
    __table_args__ = (CheckConstraint("used > 0", name="used"), distribution("guide_id"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    guide_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(Integer)


class GiftRule(Base):
    """On an occasion of a kind (gift_rules) a member gets a coupon of the campaign.

    order: from `min_fen` on; a refund that leaves less takes the coupon back, unless `keep_on_refund`. birthday:
    `days_before` the day; `ran_day` is the last local day that was worked off.
    """

    __tablename__ = "gift_rule"
    __table_args__ = (
        _of_campaign(),
        UniqueConstraint("brand_id", "kind", "campaign_id"),
        CheckConstraint(f"kind IN ({', '.join(repr(kind) for kind in KINDS)})", name="kind"),
        CheckConstraint("min_fen >= 0 AND (min_fen = 0 OR kind = 'order')", name="min_fen"),
        CheckConstraint("days_before BETWEEN 0 AND 31 AND (days_before = 0 OR kind = 'birthday')", name="days_before"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rule_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    kind: Mapped[str]
    campaign_id: Mapped[int]
    min_fen: Mapped[int] = mapped_column(default=0)
    keep_on_refund: Mapped[bool] = mapped_column(default=False)
    days_before: Mapped[int] = mapped_column(Integer, default=0)
    active: Mapped[bool] = mapped_column(default=True)
    ran_day: Mapped[date | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Gift(Base):
    """An occasion on which a member was given what the rules gave then: never twice, whatever the rules say later.

    `occasion`: once (welcome, referred), ord_.. (order), mbr_.. (referrer: whom they brought), 2026:RULE (birthday).
    """

    __tablename__ = "gift"
    __table_args__ = (Index("ix_gift_correlation_id", "correlation_id"), distribution("member_id", merge="moves"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    occasion: Mapped[str] = mapped_column(primary_key=True)
    granted_at: Mapped[datetime]
    correlation_id: Mapped[str]
    origin_member_id: Mapped[int | None]


class Referral(Base):
    """Somebody came by a member's invitation. `member_id` is who they became, once they joined because of it."""

    __tablename__ = "referral"
    __table_args__ = (
        CheckConstraint("(member_id IS NULL) = (joined_at IS NULL)", name="joined_at"),
        CheckConstraint("member_id <> referrer_id", name="not_oneself"),
        Index("ix_referral_person_id", "person_id"),
        Index("ix_referral_referrer_id", "brand_id", "referrer_id"),
        Index("ix_referral_correlation_id", "correlation_id"),
        distribution("person_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    referrer_id: Mapped[int]
    invited_at: Mapped[datetime]
    member_id: Mapped[int | None]
    joined_at: Mapped[datetime | None]
    correlation_id: Mapped[str]


class RedeemBatch(Base):
    """So many codes, each good for one coupon of the campaign until `ends_at`; `made` says how many there are already.

    The plain codes are given out by an export only, until one has ended (`exported_at`); `exports` counts all that were
    begun, and while one runs (`exporting_until`) there is no second.
    """

    __tablename__ = "redeem_batch"
    __table_args__ = (
        _of_campaign(),
        CheckConstraint("status IN ('making', 'ready', 'voided')", name="status"),
        CheckConstraint("size > 0 AND made BETWEEN 0 AND size AND (status <> 'ready' OR made = size)", name="made"),
        Index("ix_redeem_batch_correlation_id", "correlation_id"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    campaign_id: Mapped[int]
    name: Mapped[str]
    size: Mapped[int] = mapped_column(Integer)
    made: Mapped[int] = mapped_column(Integer, default=0)
    status: Mapped[str] = mapped_column(default="making")
    ends_at: Mapped[datetime | None]
    exports: Mapped[int] = mapped_column(Integer, default=0)
    exporting_until: Mapped[datetime | None]
    exported_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class RedeemCode(Base):
    """A code of a batch by its MAC: who reads the table learns no code. `number` counts from 1 within the batch."""

    __tablename__ = "redeem_code"
    __table_args__ = (
        CheckConstraint("(used_at IS NULL) = (coupon_id IS NULL)", name="used_at"),
        Index("ix_redeem_code_used", "brand_id", "batch_id", postgresql_where=text("used_at IS NOT NULL")),
        distribution("mac"),
    )

    mac: Mapped[bytes] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    batch_id: Mapped[int]
    number: Mapped[int] = mapped_column(Integer)
    used_at: Mapped[datetime | None]
    coupon_id: Mapped[int | None]


class SealedCodes(Base):
    """The plain codes of a batch from number `first` on, one after the other, encrypted; gone once exported."""

    __tablename__ = "redeem_code_sealed"
    __table_args__ = (distribution("batch_id"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    body: Mapped[str]


class CouponTransfer(Base):
    """A member offers a coupon to a friend: held until `expires_at`, then it is theirs again.

    Taken: this coupon is voided and the friend has `taken_coupon_id` under the same terms. `token_hash` finds it.
    """

    __tablename__ = "coupon_transfer"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "coupon_id"], ["coupon.brand_id", "coupon.member_id", "coupon.coupon_id"]
        ),
        CheckConstraint("status IN ('open', 'taken', 'taken_back')", name="status"),
        CheckConstraint("(status = 'taken') = (taken_coupon_id IS NOT NULL)", name="taken_coupon_id"),
        CheckConstraint("(taken_by IS NULL) = (taken_coupon_id IS NULL)", name="taken_by"),
        Index("ix_coupon_transfer_correlation_id", "correlation_id"),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    transfer_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    coupon_id: Mapped[int]
    token_hash: Mapped[bytes]
    status: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    taken_by: Mapped[int | None]
    taken_coupon_id: Mapped[int | None]
    correlation_id: Mapped[str]


class TransferToken(Base):
    """From the hash of a link's token to its transfer."""

    __tablename__ = "coupon_transfer_token"
    __table_args__ = (distribution("token_hash"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    member_id: Mapped[int]
    transfer_id: Mapped[int]
