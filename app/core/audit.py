"""The audit log: append-only, each row hashed together with the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from . import clock, context, ids
from .db import Base, distribution, session
from .locks import lock_name


class AuditLog(Base):
    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_actor", "actor", "id"),
        Index("ix_audit_log_subject", "subject", "id"),
        distribution("local"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    correlation_id: Mapped[str] = mapped_column(index=True)
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes] = mapped_column(unique=True)


_GENESIS = b"\x00" * 32


def record(*, actor: str, action: str, subject: str, **data: Any) -> None:
    """Append a row in the open transaction. `actor` and `subject` are public ids or names of machines. What somebody
    wrote about a customer (a reason) stays with the row it explains: from here nothing can be taken out again.

    The chain has one end, so writers queue on a named lock: for people's acts, not for hot paths.
    """
    lock_name("audit_log")
    last = session.execute(select(AuditLog.id, AuditLog.hash).order_by(AuditLog.id.desc()).limit(1)).one_or_none()
    last_id, previous = last if last else (0, _GENESIS)
    row = AuditLog(
        id=max(ids.new_id(), last_id + 1),  # the order of ids is the order of the chain, whatever the clocks say
        at=clock.now(),
        actor=actor,
        action=action,
        subject=subject,
        data=data,
        correlation_id=context.correlation_id(),
        previous_hash=previous,
    )
    row.hash = _hash(row)
    session.add(row)
    session.flush()


def entries(
    *, actors: Collection[str] | None, subject: str = "", before: int | None = None, limit: int
) -> Sequence[AuditLog]:
    """Rows newest first, before an id; only of these actors (None: of everybody) and about one subject, if given."""
    statement = select(AuditLog).order_by(AuditLog.id.desc()).limit(limit)
    if actors is not None:
        statement = statement.where(AuditLog.actor.in_(sorted(actors)))
    if subject:
        statement = statement.where(AuditLog.subject == subject)
    if before is not None:
        statement = statement.where(AuditLog.id < before)
    return session.scalars(statement).all()


def broken_links() -> list[int]:
    """Ids of rows whose hash does not follow from their content and the row before; empty when the chain is whole."""
    broken, previous = [], _GENESIS
    for row in session.scalars(select(AuditLog).order_by(AuditLog.id).execution_options(yield_per=1000)):
        if row.previous_hash != previous or row.hash != _hash(row):
            broken.append(row.id)
        previous = row.hash
    return broken


def end() -> tuple[int, bytes]:
    """How many rows there are, and the newest one's hash: noted elsewhere, it tells when rows go missing at the end."""
    count = session.scalar(select(func.count()).select_from(AuditLog)) or 0
    newest = session.scalar(select(AuditLog.hash).order_by(AuditLog.id.desc()).limit(1))
    return count, newest or _GENESIS


def _hash(row: AuditLog) -> bytes:
    content = [row.at.astimezone(UTC).isoformat(), row.actor, row.action, row.subject, row.data, row.correlation_id]
    return hashlib.sha256(row.previous_hash + json.dumps(content, sort_keys=True).encode()).digest()
