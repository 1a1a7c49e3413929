"""Tables of points.

Every journal's postings sum to zero (a trigger over the postings of a statement), and neither is ever changed (triggers
of the migrations). What the account `member` receives is the member's; the other accounts say where it came from or
went. A posting that fills or draws on a lot names it, so lots can be replayed from the ledger.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, distribution, tell_after

POINTS, GROWTH = "points", "growth"


class Journal(Base):
    """One fact about a member's points or growth. `cause` makes it happen once, for example `order:123`.

    A journal of kind `merge` carries worth between two members who became one, or parted again, by `merge_id`: to or
    from `other_member_id`. It says whose growth that was (`origin_member_id`) and which journal of theirs first gave
    it (`origin_journal_id`), and is dated as that one, so a window of time sees on either side what it would have.
    """

    __tablename__ = "journal"
    __table_args__ = (
        UniqueConstraint("brand_id", "member_id", "currency", "kind", "cause"),
        CheckConstraint("currency IN ('points', 'growth')", name="currency"),
        CheckConstraint("kind IN ('earn', 'spend', 'expire', 'adjust', 'refund', 'merge')", name="kind"),
        CheckConstraint("(kind = 'merge') = (merge_id IS NOT NULL)", name="merge"),
        distribution("member_id", merge="transfers"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    journal_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str]
    kind: Mapped[str]
    cause: Mapped[str]
    at: Mapped[datetime]
    correlation_id: Mapped[str] = mapped_column(index=True)
    origin_member_id: Mapped[int | None]
    origin_journal_id: Mapped[int | None]
    other_member_id: Mapped[int | None]
    merge_id: Mapped[int | None]


class Posting(Base):
    """A line of a journal. That its journal is there is asked once for all of a statement (migration 0025)."""

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint(
            "account IN ('member', 'issued', 'spent', 'expired', 'adjusted', 'refunded', 'merged')", name="account"
        ),
        CheckConstraint("lot_id IS NULL OR account = 'member'", name="lot"),
        distribution("member_id", merge="transfers", of="journal"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    journal_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    account: Mapped[str]
    lot_id: Mapped[int | None]
    amount: Mapped[int]


tell_after("posting", "journal")


class Balance(Base):
    """The sum of a member's postings, and the row every writer locks first. A floor below zero allows debt.

    `owed`: how far below the floor a merge brought it, with the debt of the member who came; nothing is spent there.
    """

    __tablename__ = "balance"
    __table_args__ = (
        CheckConstraint("amount >= floor - owed AND owed >= 0", name="floor"),
        CheckConstraint("currency IN ('points', 'growth')", name="currency"),
        distribution("member_id", merge="transfers"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]
    floor: Mapped[int] = mapped_column(default=0, server_default="0")
    owed: Mapped[int] = mapped_column(default=0, server_default="0")


class Lot(Base):
    """Points earned together, which expire together. `remaining` is what is neither spent nor expired.

    A lot brought along by a merged member keeps its id, so it can go home; `origin_member_id` is whose it was.
    """

    __tablename__ = "lot"
    __table_args__ = (
        ForeignKeyConstraint(
            ["brand_id", "member_id", "journal_id"], ["journal.brand_id", "journal.member_id", "journal.journal_id"]
        ),
        CheckConstraint("remaining BETWEEN 0 AND earned", name="remaining"),
        Index("ix_lot_expires", "brand_id", "expires_at", postgresql_where=text("remaining > 0")),
        distribution("member_id", merge="transfers"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    journal_id: Mapped[int]
    earned: Mapped[int]
    remaining: Mapped[int]
    expires_at: Mapped[datetime | None]
    origin_member_id: Mapped[int | None]


class EarnRule(Base):
    """What one yuan earns, and for how many months points last (0: for ever)."""

    __tablename__ = "earn_rule"
    __table_args__ = (
        CheckConstraint("points_per_yuan >= 0 AND growth_per_yuan >= 0 AND points_months >= 0", name="positive"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    points_per_yuan: Mapped[int]
    growth_per_yuan: Mapped[int]
    points_months: Mapped[int]
