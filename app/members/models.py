"""Tables of members."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, crypto, ids
from app.core.db import Base, distribution

from .rules import NAME_CONTEXT


class Member(Base):
    """A person's membership of one brand. `name` is a ciphertext (`plain_name` opens it), `phone_tail` the last four
    digits. `gender` 0 unknown, 1 male, 2 female. `bound_at`: when the mini-program proved the phone. `person_id` is the
    living person; `origin_person_id` the one who joined, when that is another (so a split finds whose member this is).

    A merged member points at the living one (`merged_into`, flat) and keeps its facts; nothing is active under it.
    """

    __tablename__ = "member"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'frozen', 'erased', 'merged')", name="status"),
        CheckConstraint("(status = 'merged') = (merged_into IS NOT NULL)", name="merged_points"),
        Index("ix_member_person_id", "brand_id", "person_id"),
        Index("ix_member_merged_into", "brand_id", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        Index("ix_member_guide_id", "brand_id", "guide_id"),
        Index("ix_member_home_store_id", "brand_id", "home_store_id"),
        Index("ix_member_joined_at", "brand_id", "joined_at"),
        Index("ix_member_correlation_id", "correlation_id"),
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    person_id: Mapped[int]
    origin_person_id: Mapped[int | None]
    number: Mapped[str]
    card_no: Mapped[str | None]
    name: Mapped[str | None]
    phone_tail: Mapped[str | None]
    gender: Mapped[int] = mapped_column(SmallInteger, default=0)
    birthday: Mapped[date | None]
    home_store_id: Mapped[int | None]
    guide_id: Mapped[int | None]
    status: Mapped[str] = mapped_column(default="active")
    merged_into: Mapped[int | None]
    merged_at: Mapped[datetime | None]
    source: Mapped[str]
    joined_at: Mapped[datetime] = mapped_column(default=clock.now)
    bound_at: Mapped[datetime | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)

    @property
    def plain_name(self) -> str | None:
        """The name in plain: for pages whose reader may see it, never for logs."""
        return None if self.name is None else crypto.decrypt(self.name, context=NAME_CONTEXT)


class Membership(Base):
    """At most one membership of a person in a brand, found by the living person."""

    __tablename__ = "membership"
    __table_args__ = (Index("ix_membership_person_id", "person_id"), distribution("person_id"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int]


class MemberNumber(Base):
    """The member behind a number people read out."""

    __tablename__ = "member_number"
    __table_args__ = (distribution("number"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[int]


class MemberMerge(Base):
    """One merge of two members of a brand, because their persons were merged (`person_merge_id`).

    The standing ones (`revoked_at` NULL) are the edges of a forest, the flat pointers of `member` follow from them.
    `kept` names what the winner took from the loser because it had none: {column: value as JSON}; a split takes it out.
    """

    __tablename__ = "member_merge"
    __table_args__ = (
        Index("ix_member_merge_winner_id", "brand_id", "winner_id"),
        Index("ix_member_merge_loser_id", "brand_id", "loser_id"),
        Index("ix_member_merge_person_merge_id", "person_merge_id"),
        Index("ix_member_merge_correlation_id", "correlation_id"),
        distribution("merge_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    merge_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    winner_id: Mapped[int]
    loser_id: Mapped[int]
    person_merge_id: Mapped[int]
    kept: Mapped[dict[str, Any]]
    merged_at: Mapped[datetime] = mapped_column(default=clock.now)
    revoked_at: Mapped[datetime | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class HomeStoreHistory(Base):
    """Which store was a member's home from when on (None: none), why, and who said so."""

    __tablename__ = "home_store_history"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "member_id"], ["member.brand_id", "member.member_id"]),
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    from_at: Mapped[datetime] = mapped_column(primary_key=True)
    store_id: Mapped[int | None]
    reason: Mapped[str]
    moved_by: Mapped[str]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class GuideHistory(Base):
    """Who owned a member from when on, and why."""

    __tablename__ = "guide_history"
    __table_args__ = (
        ForeignKeyConstraint(["brand_id", "member_id"], ["member.brand_id", "member.member_id"]),
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    from_at: Mapped[datetime] = mapped_column(primary_key=True)
    guide_id: Mapped[int]
    store_id: Mapped[int]
    reason: Mapped[str]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)
