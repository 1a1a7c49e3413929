"""Stores and guides: small files, matched by the code of a store and the WeCom account of a guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.imports import wording
from app.imports.commands import Tally
from app.imports.errors import NoCorp
from app.org import bulk as org

from .cells import Cells
from .ground import Ground

_OPEN, _CLOSED = ("open", "营业", "营业中", "正常"), ("closed", "关闭", "闭店", "停业")
STORE_STATUS = dict.fromkeys(_OPEN, "open") | dict.fromkeys(_CLOSED, "closed")
ROLES = {
    "guide": "guide",
    "store_manager": "store_manager",
    "manager": "store_manager",
    "导购": "guide",
    "店员": "guide",
    "店长": "store_manager",
}
GUIDE_STATUS = {"active": "active", "left": "left", "在职": "active", "离职": "left"}


@dataclass
class Prepared:
    """Rows that nothing is wrong with, as dictionaries by column."""

    cells: Cells
    rows: list[dict[str, Any]]


def prepare_stores(ground: Ground, table: pa.Table) -> Prepared:
    cells = ground.cells(table)
    return _rows(
        cells,
        "code",
        {
            "code": cells.text("code"),
            "name": cells.text("name"),
            "region": cells.text("region"),
            "dealer": cells.text("dealer"),
            "department_id": cells.whole("department_id", 1, 1 << 32),
            "status": _said(cells, "status", STORE_STATUS),
        },
    )


def prepare_guides(ground: Ground, table: pa.Table) -> Prepared:
    cells = ground.cells(table)
    cells.text("store", required=True)
    return _rows(
        cells,
        "userid",
        {
            "userid": cells.text("userid"),
            "name": cells.text("name"),
            "store_id": cells.known("store", "store_unknown", wording.STORE_UNKNOWN, ground.stores),
            "role": _said(cells, "role", ROLES),
            "status": _said(cells, "status", GUIDE_STATUS),
        },
    )


def write_stores(ground: Ground, prepared: Prepared) -> Tally:
    """Create stores and correct known ones; a region or dealer that is new is made."""
    created, updated = org.put_stores(brand_id=ground.brand_id, stores=prepared.rows)
    return Tally(created, updated, len(prepared.rows) - created - updated, prepared.cells.faults)


def write_guides(ground: Ground, prepared: Prepared) -> Tally:
    """Create guides of the brand's corp and correct known ones. Raises NoCorp."""
    if ground.corp_id is None:
        raise NoCorp()
    cells = prepared.cells
    created, updated, foreign = org.put_guides(brand_id=ground.brand_id, corp_id=ground.corp_id, guides=prepared.rows)
    for row in prepared.rows:
        if row["userid"] in foreign:
            cells.refuse_row(row["index"], "guide_foreign", "userid", wording.GUIDE_FOREIGN)
    return Tally(created, updated, len(prepared.rows) - created - updated - len(foreign), cells.faults)


def _said(cells: Cells, name: str, meanings: dict[str, str]) -> pa.Array:
    """One of a few words; null where the file says nothing, which changes nothing."""
    found = cells.choice(name, meanings, "")
    return pc.if_else(pc.equal(found, ""), None, found)


def _rows(cells: Cells, key: str, columns: dict[str, pa.Array]) -> Prepared:
    first: dict[str, int] = {}
    for index, value in enumerate(columns[key].to_pylist()):
        if value is not None and first.setdefault(value, index) != index:
            cells.refuse_row(index, "twice", key, wording.TWICE)
    table = pa.table({**columns, "index": pa.array(range(cells.count), pa.int64())})
    return Prepared(cells, table.filter(cells.good()).to_pylist())
