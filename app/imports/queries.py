"""Reads of imports, within one brand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select

from app.core.db import session

from .errors import JobUnknown
from .models import ImportChunk, ImportJob, RowError


def job(brand_id: int, job_id: int) -> ImportJob:
    """One job, read afresh; JobUnknown when the brand has none of that id."""
    found = session.get(ImportJob, job_id, populate_existing=True)
    if found is None or found.brand_id != brand_id:
        raise JobUnknown()
    return found


def jobs(brand_id: int, *, before: int | None = None, limit: int = 50) -> Sequence[ImportJob]:
    """The brand's jobs, newest first; `before` is the id of the last one seen."""
    statement = select(ImportJob).where(ImportJob.brand_id == brand_id)
    if before is not None:
        statement = statement.where(ImportJob.job_id < before)
    return session.scalars(statement.order_by(ImportJob.job_id.desc()).limit(limit)).all()


def errors(job_id: int, *, after: int | None = None, limit: int = 100) -> Sequence[RowError]:
    """A job's refused rows, by number; `after` is the number of the last row seen, whose errors come no more."""
    statement = select(RowError).where(RowError.job_id == job_id)
    if after is not None:
        statement = statement.where(RowError.row_no > after)
    return session.scalars(statement.order_by(RowError.row_no, RowError.code, RowError.field).limit(limit)).all()


def all_errors(job_id: int) -> Iterator[RowError]:
    """Every refused row of a job, by number, in pages."""
    after = None
    while page := whole_rows(errors(job_id, after=after, limit=2000), 2000):
        yield from page
        after = page[-1].row_no


def whole_rows(page: Sequence[RowError], limit: int) -> Sequence[RowError]:
    """A page without the row that it may have cut in two."""
    if len(page) < limit or page[0].row_no == page[-1].row_no:
        return page
    return [one for one in page if one.row_no != page[-1].row_no]


def rows_waiting(job_id: int) -> int:
    """Number of the last stored row of an uploaded file, 0 when none waits."""
    return session.scalar(select(func.max(ImportChunk.until)).where(ImportChunk.job_id == job_id)) or 0
