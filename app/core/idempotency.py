"""Idempotency keys: the same key and body give the same answer, another body gives 409.

The key's row is written in the transaction of the effect, so the effect and the promise not to repeat it commit
together. A second request that comes while the first runs waits for it on the unique index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from . import clock, context
from .db import Base, distribution, session
from .errors import Conflict, Invalid


class IdempotencyKey(Base):
    __tablename__ = "idempotency_key"
    __table_args__ = (distribution("key"),)

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    answer: Mapped[dict[str, Any] | None]
    correlation_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)


class Asked(NamedTuple):
    """What stood under a request's key when its caller was looked up, the digest of a request and its answer, or
    nothing. `at`: the moment before that look, on this process's monotonic clock.
    """

    at: float
    digest: bytes | None = None
    answer: dict[str, Any] | None = None


class IdempotencyKeyReused(Conflict):
    code, message = "idempotency_key_reused", "This Idempotency-Key was used with another request body."


class IdempotencyKeyMissing(Invalid):
    code, message = "idempotency_key_missing", "Send an Idempotency-Key header of 8 to 128 characters."


def checked_key(key: str | None) -> str:
    """The caller's key, or an error that says what a good one looks like."""
    if key is None or not 8 <= len(key) <= 128 or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyMissing()
    return key


def request_hash(action: str, body: Any) -> bytes:
    """A digest of what is asked for: the action and its body, independent of the order of JSON keys."""
    canonical = json.dumps([action, body], sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).digest()


def once(*, scope: str, key: str, digest: bytes, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do `work` once per (scope, key) inside the open transaction and return its JSON-safe answer, now or replayed."""
    claimed = session.scalar(
        insert(IdempotencyKey)
        .values(
            scope=scope,
            key=key,
            request_hash=digest,
            correlation_id=context.correlation_id(),
            created_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["scope", "key"])
        .returning(IdempotencyKey.key)
    )
    if claimed is None:
        return replay(scope=scope, key=key, digest=digest)
    answer = work()
    session.execute(
        update(IdempotencyKey).where(IdempotencyKey.scope == scope, IdempotencyKey.key == key).values(answer=answer),
        execution_options={"synchronize_session": False},
    )
    return answer


def replay(*, scope: str, key: str, digest: bytes) -> dict[str, Any]:
    """The answer stored under a used key; IdempotencyKeyReused when it was given for another body."""
    stored_hash, answer = session.execute(
        select(IdempotencyKey.request_hash, IdempotencyKey.answer).where(
            IdempotencyKey.scope == scope, IdempotencyKey.key == key
        )
    ).one()
    if stored_hash != digest:
        raise IdempotencyKeyReused()
    return dict(answer)
