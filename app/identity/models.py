"""Tables of identity.

An identity row is a source record: it keeps the person it was first given to, for good. A merge only points the
loser's `merged_into` at the winner, so it can be revoked without anybody having to guess what belonged to whom. The
pointers are kept flat: a winner never points anywhere, so one hop always ends at the living person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution

KINDS = ("unionid", "openid", "external_userid", "mobile", "card", "import")


class Person(Base):
    """A human across all brands of the group. The older id wins a merge, so pointers go down and cannot make a ring."""

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("merged_into < person_id", name="older_wins"),
        Index("ix_person_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        distribution("person_id"),
    )

    person_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    merged_into: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class IdentityRow(Base):
    """One known id. The key is what it is found by: for a mobile its blind index, with the number sealed beside it."""

    __tablename__ = "identity"
    __table_args__ = (
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("(kind = 'mobile') = (sealed_value IS NOT NULL)", name="mobile_is_sealed"),
        Index("ix_identity_person_id", "person_id"),
        Index("ix_identity_correlation_id", "correlation_id"),
        distribution("value"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    namespace: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    sealed_value: Mapped[str | None]
    person_id: Mapped[int]
    source: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)
    linked_at: Mapped[datetime] = mapped_column(default=clock.now)


class PersonMerge(Base):
    """One merge, as found: `evidence` says which ids brought the two together and who was folded into the loser."""

    __tablename__ = "person_merge"
    __table_args__ = (
        Index("ix_person_merge_loser_id", "loser_id"),
        Index("ix_person_merge_winner_id", "winner_id"),
        Index("ix_person_merge_correlation_id", "correlation_id"),
        distribution("merge_id"),
    )

    merge_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    winner_id: Mapped[int]
    loser_id: Mapped[int]
    reason: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    merged_at: Mapped[datetime] = mapped_column(default=clock.now)
    revoked_at: Mapped[datetime | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class IdentityReview(Base):
    """Two persons whom some id would join and another keeps apart; a human decides. `brand_id` NULL: no one brand."""

    __tablename__ = "identity_review"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'merged', 'kept_apart')", name="status"),
        CheckConstraint("person_a < person_b", name="ordered"),
        Index("ix_identity_review_open", "person_a", "person_b", postgresql_where=text("status = 'open'")),
        Index("ix_identity_review_correlation_id", "correlation_id"),
        distribution("id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    brand_id: Mapped[int | None]
    person_a: Mapped[int]
    person_b: Mapped[int]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    evidence: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class BlockedValue(Base):
    """A value that identifies nobody: a store's landline, a test number. Stored as it would be in `identity.value`."""

    __tablename__ = "blocked_value"
    __table_args__ = (distribution("reference"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
