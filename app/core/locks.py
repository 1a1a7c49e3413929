"""Locks on several rows, always taken in one order so that two transactions cannot wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, select, text, tuple_

from .db import session


def lock_rows(model: Any, keys: Iterable[Any]) -> dict[Any, Any]:
    """Lock rows `FOR UPDATE` in ascending order of primary key and return them by that key.

    `keys` are scalars for a one-column primary key, tuples in column order otherwise. Missing rows are missing from
    the answer. Rows already in the session are read afresh. A lock not had within the transaction's lock time-out
    becomes `Busy`.
    """
    key_of, statement = _locking(model)
    rows = session.scalars(statement, {"keys": sorted(set(keys))}, execution_options={"populate_existing": True})
    return {key_of(row): row for row in rows}


@cache
def _locking(model: Any) -> tuple[Callable[[Any], Any], Select[Any]]:
    columns = list(model.__table__.primary_key.columns)
    key: ColumnElement[Any] = columns[0] if len(columns) == 1 else tuple_(*columns)
    statement = select(model).where(key.in_(bindparam("keys", expanding=True))).order_by(*columns).with_for_update()
    return attrgetter(*(column.name for column in columns)), statement


def lock_name(name: str) -> None:
    """Hold an advisory lock on a name until the transaction ends: for things that have no row yet."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
