"""Values that identify nobody, and ids that must not come back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from app.core import clock
from app.core.db import session

from .. import queries
from ..models import BlockedValue, ErasedIdentity
from ..rules import Identity, shown


def block(identity: Identity, *, reason: str = "") -> bool:
    """Let a value identify nobody from now on (a store's landline, a shared phone); False when it was blocked already.

    Links that stand are not undone: whose they are is listed for a human (queries.person_of).
    """
    kind, _, value = identity.key
    statement = (
        insert(BlockedValue)
        .values(kind=kind, value=value, shown=shown(identity), reason=reason, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(BlockedValue.kind)
    )
    return session.scalar(statement) is not None


def unblock(*, kind: str, value: str) -> bool:
    """Let a blocked value (as queries.blocked_values gives it) identify again; False when it was not blocked."""
    statement = (
        delete(BlockedValue).where(BlockedValue.kind == kind, BlockedValue.value == value).returning(BlockedValue.kind)
    )
    return session.scalar(statement, execution_options={"synchronize_session": False}) is not None


def entomb(*, ids: Sequence[Identity]) -> None:
    """Remember ids of a person who is being erased; what was linked by them is the caller's to delete."""
    if not ids:
        return
    rows = [
        {"kind": one.kind, "namespace": one.namespace, "digest": queries.digest_of(one), "erased_at": clock.now()}
        for one in sorted(set(ids))
    ]
    session.execute(insert(ErasedIdentity).values(rows).on_conflict_do_nothing())
