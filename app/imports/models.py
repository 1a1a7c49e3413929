"""Tables of imports.

A file sent over HTTP is kept as parsed chunks of rows, sealed, until each is done: workers on any host take them from
here, and nothing personal stays behind. A file named on the command line is read where it lies and never stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution

KINDS = ("stores", "guides", "members", "orders", "order_lines", "refunds")
STATUSES = ("uploaded", "checking", "running", "done", "failed", "cancelled")
OPEN = ("uploaded", "checking", "running")


class ImportJob(Base):
    """One import. `cursor` is the number of the last row that is dealt with (the header is row 1 of a CSV).

    `source` names the other system: with it, its own ids are ours. `read` and `refused` count rows; `created`,
    `updated` and `unchanged` count members, orders, .. . `rows` is the number of the file's last row, when known.
    Checking: a rehearsal that writes nothing but its report.
    """

    __tablename__ = "import_job"
    __table_args__ = (
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("format IN ('csv', 'parquet')", name="format"),
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        # The same file is not imported twice at once; a second start finds the first.
        Index(
            "uq_import_job_open",
            "brand_id",
            "kind",
            "source",
            "digest",
            unique=True,
            postgresql_where=text("status IN ('uploaded', 'checking', 'running')"),
        ),
        Index("ix_import_job_brand_id", "brand_id", "job_id"),
        Index("ix_import_job_correlation_id", "correlation_id"),
        distribution("local"),
    )

    job_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    brand_id: Mapped[int]
    kind: Mapped[str]
    source: Mapped[str]
    format: Mapped[str]
    filename: Mapped[str]
    digest: Mapped[str]
    size: Mapped[int]
    rows: Mapped[int | None]
    status: Mapped[str] = mapped_column(default="uploaded")
    cursor: Mapped[int] = mapped_column(default=0, server_default="0")
    read: Mapped[int] = mapped_column(default=0, server_default="0")
    created: Mapped[int] = mapped_column(default=0, server_default="0")
    updated: Mapped[int] = mapped_column(default=0, server_default="0")
    unchanged: Mapped[int] = mapped_column(default=0, server_default="0")
    refused: Mapped[int] = mapped_column(default=0, server_default="0")
    options: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class RowError(Base):
    """Why a row was refused: `code` and `field` for programs, `message` for people, personal `values` masked."""

    __tablename__ = "import_error"
    __table_args__ = (distribution("local"),)

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    row_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    message: Mapped[str]
    values: Mapped[dict[str, Any]]


class ImportChunk(Base):
    """Rows of an uploaded file that wait: an Arrow batch, sealed. Rows `after` .. `until` of the file, by number."""

    __tablename__ = "import_chunk"
    __table_args__ = (distribution("local"),)

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    after: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    until: Mapped[int]
    body: Mapped[str]
