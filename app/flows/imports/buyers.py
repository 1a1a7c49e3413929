"""Whose an order is: the member that the source's own id, a card or a phone names, in this order."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from app.flows.till_member import card_identity
from app.identity import bulk as identity
from app.identity.bulk import mobile_key
from app.members import bulk as members

from . import people
from .ground import Ground

NAMES = ("phone", "card_no", "member")


def resolve(ground: Ground, heads: pa.Table) -> pa.Array:
    """The member of each order; null is a walk-in. With the option create_members a phone nobody has is enough."""
    found: pa.Array = pa.nulls(heads.num_rows, pa.int64())
    keys: list[tuple[str, str, str]] = []
    named: list[tuple[str, dict[str, int]]] = []  # a column, and where each of its values stands among the keys
    for name in ("member", "card_no", "phone"):
        if heads[name].null_count == heads.num_rows:
            continue
        places: dict[str, int] = {}
        for value in pc.unique(heads[name]).to_pylist():
            key = None if value is None else _key(ground, name, value)
            if key is not None:
                places[value] = len(keys)
                keys.append(key)
        named.append((name, places))
    if not keys:
        return found
    identity.stage(keys)
    owners = members.of_staged_ids(ground.brand_id)
    for name, places in named:
        known = {value: owners[place] for value, place in places.items() if place in owners}
        found = pc.coalesce(found, _looked_up(heads[name], known))
    if ground.options.get("create_members") and heads["phone"].null_count < heads.num_rows:
        found = pc.coalesce(found, _joined(ground, heads, found))
    return found


def _joined(ground: Ground, heads: pa.Table, found: pa.Array) -> pa.Array:
    """Members made of the phones of orders that have none: each joined with their first order."""
    nobody = pc.and_(pc.is_null(found), pc.is_valid(heads["phone"].combine_chunks()))
    first: dict[str, tuple[int, object]] = {}
    for phone, store_id, paid_at in zip(
        *(heads[name].filter(nobody).to_pylist() for name in ("phone", "store_id", "paid_at")), strict=True
    ):
        if phone not in first or paid_at < first[phone][1]:
            first[phone] = (store_id, paid_at)
    made = people.by_phone(ground, first)
    return _looked_up(heads["phone"], made)


def _looked_up(column: pa.ChunkedArray, table: dict[str, int]) -> pa.Array:
    if not table:
        return pa.nulls(len(column), pa.int64())
    places = pc.index_in(column.combine_chunks(), value_set=pa.array(list(table), pa.string()), skip_nulls=True)
    return pc.take(pa.array(list(table.values()), pa.int64()), places)


def _key(ground: Ground, name: str, value: str) -> tuple[str, str, str] | None:
    if name == "phone":
        stored = mobile_key(value)
        return None if stored is None else ("mobile", "", stored)
    if name == "card_no":
        return card_identity(ground.brand_id, value).key
    return ("import", ground.members_of, value)
