"""Locks on several rows, always taken in one order so that two transactions cannot wait for each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, text, tuple_

from .db import session


def lock_rows(model: Any, keys: Iterable[Any]) -> dict[Any, Any]:
    """Lock rows `FOR UPDATE` in ascending order of primary key and return them by that key.

    `keys` are scalars for a one-column primary key, tuples in column order otherwise. Missing rows are missing from
    the answer. Rows already in the session are read afresh. A lock not had within the transaction's lock time-out
    becomes `Busy`.
    """
    wanted = sorted(set(keys))
    columns = list(model.__table__.primary_key.columns)
    single = len(columns) == 1
    condition = columns[0].in_(wanted) if single else tuple_(*columns).in_(wanted)
    rows = session.scalars(
        select(model).where(condition).order_by(*columns).with_for_update().execution_options(populate_existing=True)
    )
    return {
        (getattr(row, columns[0].name) if single else tuple(getattr(row, c.name) for c in columns)): row for row in rows
    }


def lock_name(name: str) -> None:
    """Hold an advisory lock on a name until the transaction ends: for things that have no row yet."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
