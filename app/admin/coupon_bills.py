"""A month's lines of all stores in one file, or those that a supplier or a dealer pays a share of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from apiflask import Schema, fields
from apiflask.validators import ContainsNoneOf, Length
from flask import Response

from app.core.errors import NotFound
from app.core.sheets import csv_pieces
from app.coupons.statements import bills, queries
from app.org import queries as org
from app.org.models import Store

from . import coupon_wording as words
from . import scope
from .blueprint import api
from .coupon_statements import TABLE, cell, row
from .downloads import streamed

_MONEY = [name for name in words.LINE_COLUMNS if name.endswith("_fen")]


class BillIn(Schema):
    """Both together are the lines that both pay a share of."""

    # The database would refuse a NUL when the answer has begun.
    supplier = fields.String(
        load_default="",
        validate=[Length(max=80), ContainsNoneOf("\0")],
        metadata={"description": "By name."},
    )
    dealer = fields.String(load_default="", validate=Length(max=80), metadata={"description": "By code."})


@api.get("/coupon-statements/<month>/lines.csv")
@api.input(BillIn, location="query", arg_name="asked")
@api.doc(summary="All lines of a month as a table", security="AdminToken", responses=TABLE)
def coupon_bill_table(month: str, asked: dict[str, str]) -> Response:
    """Of all stores of the caller, or the lines that a supplier or a dealer pays a share of. CSV as of the months, by
    store and time; the last line is the sum, and a file without it broke off.
    """
    return bill_table(month, asked["supplier"], asked["dealer"])


def bill_table(month: str, supplier: str, dealer: str) -> Response:
    """The lines as CSV, for the API and the console alike. NotFound for a dealer of none of the caller's stores."""
    me, first = scope.current(), queries.month_of(month)
    stores = {store.id: store for store in org.stores(me.brand_id) if me.reach.covers(store.id)}
    dealers = {one.id: one for one in org.dealers(me.brand_id)}
    within = me.reach.store_ids
    if dealer:
        named = {one.id for one in dealers.values() if one.code == dealer}
        within = frozenset(store.id for store in stores.values() if store.dealer_id in named)
        if not within:
            raise NotFound()
    found = bills.lines(me.brand_id, first, within, supplier=supplier, dealer=bool(dealer))
    names = {one.id: one.name for one in dealers.values()}
    pieces = csv_pieces([*words.BILL_COLUMNS.values()], _pieces(found, stores, names, ZoneInfo(me.timezone)))
    return streamed(pieces, "-".join(one for one in ("coupon-bill", month, dealer, supplier) if one) + ".csv")


def _pieces(
    found: Iterator[list[queries.Line]], stores: dict[int, Store], dealers: dict[int, str], zone: ZoneInfo
) -> Iterator[list[dict[str, Any]]]:
    """Rows as they are read, their sum last."""
    total = dict.fromkeys(_MONEY, 0)
    for lines in found:
        for name in _MONEY:
            total[name] += sum(getattr(line, name) for line in lines)
        yield [_place(stores[line.store_id], dealers) | row(line, zone) for line in lines]
    whole = {words.BILL_COLUMNS[name]: cell(name, fen) for name, fen in total.items()}
    yield [{words.BILL_COLUMNS["code"]: "合计"} | whole]


def _place(store: Store, dealers: dict[int, str]) -> dict[str, Any]:
    told = {"code": store.code, "store": store.name, "dealer": dealers.get(store.dealer_id or 0)}
    return {words.BILL_COLUMNS[name]: value for name, value in told.items()}
