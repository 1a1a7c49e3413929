"""Tables of privacy.

A consent is what a person said, once and for good: rows are never changed and never move (a trigger of the migration
refuses it), and they hold nothing that names anybody, so they can outlive an erasure as the proof they are. What a
member may be reached for follows from them; opt_out keeps the refusals ready for sets of members.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution

from .rules import CHANNELS, PURPOSES, REVEAL_FIELDS, SOURCES


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


class PrivacyPolicy(Base):
    """A published text; `digest` is the SHA-256 of it in hex, so that what was agreed to can be shown later."""

    __tablename__ = "privacy_policy"
    __table_args__ = (distribution("reference"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    url: Mapped[str | None]
    valid_from: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Consent(Base):
    """One statement of a person to a brand. `at`: when they said it; `ref` makes a report of `source` count once."""

    __tablename__ = "consent"
    __table_args__ = (
        UniqueConstraint("brand_id", "person_id", "source", "ref"),
        _one_of("purpose", PURPOSES),
        _one_of("channel", CHANNELS),
        _one_of("source", SOURCES),
        CheckConstraint("NOT granted OR version IS NOT NULL", name="version"),
        Index("ix_consent_person_id", "person_id"),
        Index("ix_consent_correlation_id", "correlation_id"),
        distribution("person_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    consent_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    purpose: Mapped[str]
    channel: Mapped[str]
    granted: Mapped[bool]
    version: Mapped[str | None]
    at: Mapped[datetime]
    source: Mapped[str]
    ref: Mapped[str | None]
    evidence: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime] = mapped_column(default=clock.now)
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class OptOut(Base):
    """What a member is not to be reached for: follows from the consents, written in their transaction."""

    __tablename__ = "opt_out"
    __table_args__ = (
        _one_of("purpose", PURPOSES),
        _one_of("channel", CHANNELS),
        distribution("member_id", merge="recomputed"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(default=clock.now)


class Reveal(Base):
    """Somebody looked behind a mask: who, whose, which value (never the value itself) and why."""

    __tablename__ = "reveal"
    __table_args__ = (
        _one_of("field", REVEAL_FIELDS),
        Index("ix_reveal_actor", "brand_id", "actor", "at"),
        Index("ix_reveal_at", "at"),
        Index("ix_reveal_correlation_id", "correlation_id"),
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reveal_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    actor: Mapped[str]
    role: Mapped[str]
    field: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=clock.now)
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class RevealQuota(Base):
    """How many values somebody uncovered on one day of the brand; the row every reveal of theirs goes through."""

    __tablename__ = "reveal_quota"
    __table_args__ = (CheckConstraint("used >= 0", name="used"), distribution("actor"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    actor: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(Integer)


class DataExport(Base):
    """Everything we know of a member, made on their (or HQ's) word. `content` is a ciphertext of a zip in base64."""

    __tablename__ = "data_export"
    __table_args__ = (
        CheckConstraint("status IN ('asked', 'ready', 'expired')", name="status"),
        CheckConstraint("(status = 'ready') = (content IS NOT NULL)", name="content"),
        Index("ix_data_export_expires", "expires_at", postgresql_where=text("status = 'ready'")),
        Index("ix_data_export_correlation_id", "correlation_id"),
        distribution("member_id", merge="stays"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    export_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    actor: Mapped[str]
    status: Mapped[str] = mapped_column(default="asked")
    asked_at: Mapped[datetime] = mapped_column(default=clock.now)
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    fetched: Mapped[int] = mapped_column(Integer, default=0)
    size: Mapped[int | None]
    content: Mapped[str | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class Erasure(Base):
    """A wish to be forgotten. `asked` waits for the person's own confirmation, `confirmed` for `due_at`.

    `whole`: the person in every brand of the group, else the membership of this one. `removed` counts what went.
    `sealed`: the ids to look for in old messages, a ciphertext of JSON, until that is done.
    """

    __tablename__ = "erasure"
    __table_args__ = (
        CheckConstraint("status IN ('asked', 'confirmed', 'cancelled', 'done')", name="status"),
        CheckConstraint("(status = 'done') = (done_at IS NOT NULL)", name="done_at"),
        CheckConstraint("status <> 'confirmed' OR due_at IS NOT NULL", name="due_at"),
        Index(
            "uq_erasure_open",
            "brand_id",
            "person_id",
            unique=True,
            postgresql_where=text("status IN ('asked', 'confirmed')"),
        ),
        Index("ix_erasure_due", "due_at", postgresql_where=text("status = 'confirmed'")),
        Index("ix_erasure_correlation_id", "correlation_id"),
        distribution("person_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    request_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    member_id: Mapped[int | None]
    whole: Mapped[bool]
    actor: Mapped[str]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(default="asked")
    asked_at: Mapped[datetime] = mapped_column(default=clock.now)
    due_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    removed: Mapped[dict[str, Any] | None]
    sealed: Mapped[str | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class ErasedMembership(Base):
    """The tombstone of a membership whose person lives on in other brands: nothing but their own act revives it."""

    __tablename__ = "erased_membership"
    __table_args__ = (distribution("person_id"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    erased_at: Mapped[datetime] = mapped_column(default=clock.now)


class RetentionPolicy(Base):
    """For how many days a brand keeps a kind of rows; kinds without a row keep the default (retention.py)."""

    __tablename__ = "retention_policy"
    __table_args__ = (CheckConstraint("days > 0", name="days"), distribution("reference"))

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(Integer)


class Rekeying(Base):
    """How far one encrypted column is on its way to the key `key_id`; `cursor` is the last row looked at."""

    __tablename__ = "rekeying"
    __table_args__ = (distribution("local"),)

    column: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[list[Any] | None]
    seen: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]
