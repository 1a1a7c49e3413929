"""A month's bill by who pays it: headquarters, dealers, suppliers by name, and the lines that each pays a share of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from app.core.db import session

from .queries import Line, Sum, lines_of, typed

CHUNK = 1000
_LINES = """
    SELECT l.*, k.name AS campaign FROM ({lines}) l
    JOIN campaign k ON k.brand_id = l.brand_id AND k.campaign_id = l.campaign_id
    JOIN store s ON s.id = l.store_id
    WHERE {paid_by}
    ORDER BY s.code, l.at, l.redemption_id, l.kind, l.part
"""


class Payer(NamedTuple):
    """One who pays, in how many lines and how much. `kind`: hq, dealer or supplier.

    `dealer_id`: whose the stores are now; None for what dealers owe of stores that have none any more. `supplier`: the
    name.
    """

    kind: str
    dealer_id: int | None
    supplier: str | None
    lines: int
    fen: int


def payers(found: Mapping[int, Sum], dealer_of: Mapping[int, int | None]) -> list[Payer]:
    """Who pays a month that is told by store, suppliers by name; their fen sum to its discount_fen.

    `dealer_of`: the dealer of each of these stores.
    """
    whole, dealers = Sum(), dict[int | None, Sum]()
    for store_id, one in found.items():
        whole.add(one)
        dealers.setdefault(dealer_of[store_id], Sum()).add(one)
    every = [Payer("hq", None, None, whole.hq_lines, whole.hq_fen)]
    every += [Payer("dealer", key, None, one.dealer_lines, one.dealer_fen) for key, one in dealers.items()]
    every += [
        Payer("supplier", None, name, lines, whole.suppliers.get(name, 0))
        for name, lines in sorted(whole.supplier_lines.items())
    ]
    return [one for one in every if one.lines]


def lines(
    brand_id: int, first: date, stores: Collection[int] | None = None, *, supplier: str = "", dealer: bool = False
) -> Iterator[list[Line]]:
    """A month's lines of some stores (None: of all) by store and time, in pieces while they are read; of those that
    `supplier`, or a dealer, or both, pay a share of. MonthUnknown before it begins.

    One statement behind a cursor: an open month has no order by store to page along, so every page would read all of
    it. It is asked for the first piece and keeps the session's connection until the last, or until nobody wants more.
    """
    source, values = lines_of(brand_id, first, stores)
    conditions = ["l.supplier = :supplier AND l.supplier_fen <> 0"] if supplier else []
    conditions += ["l.dealer_fen <> 0"] if dealer else []
    statement = _LINES.format(lines=source, paid_by=" AND ".join(conditions or ["true"]))
    return _read(statement, values | ({"supplier": supplier} if supplier else {}))


def _read(statement: str, values: dict[str, Any]) -> Iterator[list[Line]]:
    with session.execute(typed(statement), values, execution_options={"yield_per": CHUNK}) as rows:
        for piece in rows.mappings().partitions(CHUNK):
            yield [Line(**{name: row[name] for name in Line._fields}) for row in piece]
