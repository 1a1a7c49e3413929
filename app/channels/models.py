"""Tables of channels."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context
from app.core.db import Base, distribution


class Follow(Base):
    """One member of staff and one customer. `changed_at` is Tencent's moment of the newest event applied: events come
    late and out of order, and the newest wins. `person_id` is whom the external userid was first given to (follow
    merges when reading). `contact` is a ciphertext of JSON {name, avatar, type, gender}.

    Each other fact has a moment of its own: `told_at` of the newest addition (NULL: none was told), `state_at`
    of the newest one with a state, `read_at` when the read of remark and tags began, `described_at` the contact's.
    """

    __tablename__ = "follow"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'lost', 'deleted')", name="status"),
        Index("ix_follow_person_id", "person_id"),
        Index("ix_follow_guide_id", "guide_id", "status"),
        Index("ix_follow_correlation_id", "correlation_id"),
        distribution("external_userid"),
    )

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    userid: Mapped[str] = mapped_column(primary_key=True)
    external_userid: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    guide_id: Mapped[int | None]
    person_id: Mapped[int]
    state: Mapped[str | None]
    add_way: Mapped[int | None]
    remark: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="active")
    added_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    state_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    described_at: Mapped[datetime | None]
    contact: Mapped[str | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class Outbound(Base):
    """One effect outside, reserved before it is tried: `reserved` while it is not known, then sent, failed or unknown.

    `key` is what must not happen twice: a welcome code, a coupon notice, a reminder.
    """

    __tablename__ = "outbound"
    __table_args__ = (
        CheckConstraint("status IN ('reserved', 'sent', 'failed', 'unknown')", name="status"),
        Index("ix_outbound_reserved", "reserved_at", postgresql_where=text("status = 'reserved'")),
        Index("ix_outbound_correlation_id", "correlation_id"),
        distribution("key"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    status: Mapped[str] = mapped_column(default="reserved")
    outside_id: Mapped[str | None]
    error: Mapped[str | None]
    reserved_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)
