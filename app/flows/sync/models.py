"""Tables of the reconciliation. They are plumbing of the coordinator, not a domain's truth."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution


class SyncRun(Base):
    """One reconciliation of one corp. `turn` counts its deliveries: a doubled one finds the run past it. `counts` is
    {step: {seen, unchanged, changed, added, lost}}. `waiting`: so much is gone that a person has to say it is so.
    `outbox_id`: the event whose delivery moves the run on. `since`: an incremental run reads again what had news since.
    """

    __tablename__ = "sync_run"
    __table_args__ = (
        CheckConstraint("kind IN ('full', 'incremental')", name="kind"),
        CheckConstraint("status IN ('running', 'waiting', 'done', 'failed', 'cancelled')", name="status"),
        # Never two runs of one corp at once.
        Index("uq_sync_run_going", "corp_id", unique=True, postgresql_where=text("status IN ('running', 'waiting')")),
        Index("ix_sync_run_brand_id", "brand_id", "run_id"),
        Index("ix_sync_run_corp_id", "corp_id", "kind", "started_at"),
        distribution("local"),
    )

    run_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    brand_id: Mapped[int]
    corp_id: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(default="running")
    step: Mapped[str]
    turn: Mapped[int] = mapped_column(default=0)
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    confirmed: Mapped[bool] = mapped_column(default=False)
    since: Mapped[datetime]
    started_at: Mapped[datetime] = mapped_column(default=clock.now)
    moved_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    outbox_id: Mapped[int | None]
    started_by: Mapped[str]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class SyncItem(Base):
    """One thing a step has to read: a guide's customers, a customer, a group. `cursor` is WeCom's page within it,
    `began_at` when the first page was asked for: what is missing from the list was missing since then.
    """

    __tablename__ = "sync_item"
    __table_args__ = (
        CheckConstraint("status IN ('due', 'verify', 'done', 'skipped')", name="status"),
        Index("ix_sync_item_due", "run_id", "step", "subject", postgresql_where=text("status IN ('due', 'verify')")),
        distribution("local"),
    )

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(default="due")
    cursor: Mapped[str] = mapped_column(default="")
    began_at: Mapped[datetime | None]
    error: Mapped[str | None]


class SyncSeen(Base):
    """What an unfinished list has shown so far; deleted when the list is complete and what is missing is known."""

    __tablename__ = "sync_seen"
    __table_args__ = (distribution("local"),)

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    list: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)


class SyncDrift(Base):
    """One difference a run found. `kind` is what it was about, `change` added, changed or lost, `subject` the ids that
    name it. `ours` and `theirs` hold the facts that differ; what people wrote (names, remarks) is left out of them.
    A loss is noted at `read_at` and `repaired` at the end of the run.
    """

    __tablename__ = "sync_drift"
    __table_args__ = (
        CheckConstraint("change IN ('added', 'changed', 'lost')", name="change"),
        Index("uq_sync_drift_subject", "run_id", "kind", "subject", unique=True),
        Index("ix_sync_drift_lost", "run_id", "drift_id", postgresql_where=text("NOT repaired")),
        distribution("local"),
    )

    drift_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    run_id: Mapped[int]
    brand_id: Mapped[int]
    kind: Mapped[str]
    change: Mapped[str]
    subject: Mapped[str]
    ours: Mapped[dict[str, Any]]
    theirs: Mapped[dict[str, Any]]
    read_at: Mapped[datetime]
    repaired: Mapped[bool] = mapped_column(default=False)
    found_at: Mapped[datetime] = mapped_column(default=clock.now)


class Conversion(Base):
    """When WeCom was last asked who a person is. `kind` user: a mini-program user (`subject` the person's id) whose
    external userid is unknown; customer: an external userid whose unionid is unknown, asked for a pending id.

    `outcome` customer (WeCom named one), pending (a pending id that lives until `expires_at`), nobody, refused (`error`
    says why). `next_at`: when to ask again, NULL never.
    """

    __tablename__ = "sync_conversion"
    __table_args__ = (
        CheckConstraint("kind IN ('user', 'customer')", name="kind"),
        CheckConstraint("outcome IN ('customer', 'pending', 'nobody', 'refused')", name="outcome"),
        Index("ix_sync_conversion_next_at", "corp_id", "kind", "next_at"),
        distribution("local"),
    )

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    outcome: Mapped[str]
    pending_id: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    asked_at: Mapped[datetime] = mapped_column(default=clock.now)
    next_at: Mapped[datetime | None]
    error: Mapped[str | None]
