"""An id leaves its person: exchanged for another, or given to somebody else by whoever hands such ids out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto
from app.core.db import session

from ..models import IdentityRelease, IdentityRow
from ..rules import SEAL_CONTEXT, Identity

_SILENTLY = {"synchronize_session": False}


def release(*, identity: Identity, reason: str, evidence: Mapping[str, Any] | None = None) -> int | None:
    """Take an id from its person, whom the caller holds, and note whose it was; the person id it had been given to, or
    None when nobody has it. From now on it is free.
    """
    kind, namespace, value = identity.key
    row = session.execute(
        delete(IdentityRow)
        .where(IdentityRow.kind == kind, IdentityRow.namespace == namespace, IdentityRow.value == value)
        .returning(IdentityRow.person_id, IdentityRow.sealed_value),
        execution_options=_SILENTLY,
    ).one_or_none()
    if row is None:
        return None
    session.add(
        IdentityRelease(
            kind=kind,
            namespace=namespace,
            value=value,
            sealed_value=row.sealed_value,
            person_id=row.person_id,
            reason=reason,
            evidence=dict(evidence or {}),
        )
    )
    session.flush()
    return row.person_id


def move(
    *, identity: Identity, person_id: int, source: str, reason: str, evidence: Mapping[str, Any] | None = None
) -> None:
    """Give an id to another person, both held by the caller. Only the id moves: whatever its old person has stays."""
    release(identity=identity, reason=reason, evidence=evidence)
    kind, namespace, value = identity.key
    session.execute(
        insert(IdentityRow).values(
            kind=kind,
            namespace=namespace,
            value=value,
            sealed_value=crypto.encrypt(identity.value, context=SEAL_CONTEXT) if kind == "mobile" else None,
            person_id=person_id,
            source=source,
            evidence=dict(evidence or {}),
            correlation_id=context.correlation_id(),
            linked_at=clock.now(),
        )
    )


def prefer(*, identity: Identity) -> None:
    """Make an id its person's newest of the kind, as they just proved it again."""
    kind, namespace, value = identity.key
    session.execute(
        update(IdentityRow)
        .where(IdentityRow.kind == kind, IdentityRow.namespace == namespace, IdentityRow.value == value)
        .values(linked_at=clock.now()),
        execution_options=_SILENTLY,
    )
