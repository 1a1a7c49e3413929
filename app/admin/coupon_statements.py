"""What stores are owed for coupons, month by month: sums, lines, tables, and closing a month by two people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apiflask import Schema, fields
from apiflask.validators import Length, Range
from flask import Response

from app.core import audit, clock, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.sheets import csv_of
from app.core.transaction import run
from app.coupons.statements import bills, commands, conflicts, queries
from app.org import queries as org
from app.org.models import Dealer, Store

from . import coupon_wording as words
from . import scope
from .blueprint import api
from .downloads import sheet

PAGE, CHUNK = 50, 1000


class OwedOut(Schema):
    """Money in fen. taken_fen + back_fen = discount_fen = hq_fen + dealer_fen + supplier_fen; `back` ones are negative.

    `used` and `back` count redemptions and what was given back; `suppliers` share supplier_fen by name. Outside the
    sums: `offline_conflicts`, coupons that tills told of in the month which they had taken offline and which somebody
    else had used or which were not good any more, and what those took off.
    """

    used = fields.Integer()
    back = fields.Integer()
    lines = fields.Integer()
    taken_fen = fields.Integer()
    back_fen = fields.Integer()
    discount_fen = fields.Integer()
    hq_fen = fields.Integer()
    dealer_fen = fields.Integer()
    supplier_fen = fields.Integer()
    suppliers = fields.Dict(keys=fields.String(), values=fields.Integer())
    offline_conflicts = fields.Integer()
    offline_conflicts_fen = fields.Integer()


class StoreOwedOut(OwedOut):
    store = PublicId("sto", attribute="store_id")
    code = fields.String()
    name = fields.String()
    dealer = fields.String(allow_none=True)


class MonthOut(Schema):
    """`status`: open, asked (somebody asked to close it) or closed. `digest` is what the second person confirms. Months
    before the first that was closed are closed too, by nobody, and empty.
    """

    month = fields.String(metadata={"example": "2026-03"})
    status = fields.String()
    digest = fields.String(allow_none=True)
    asked_by = fields.String(allow_none=True)
    asked_at = fields.AwareDateTime(allow_none=True)
    closed_by = fields.String(allow_none=True)
    closed_at = fields.AwareDateTime(allow_none=True)
    currency = fields.Constant("CNY")


class PayerOut(Schema):
    """One who pays: `lines` it has a share of, and what the shares sum to. A dealer by code and name, both null where
    a store has no dealer any more; a supplier by name.
    """

    kind = fields.String(metadata={"description": "hq, dealer or supplier."})
    code = fields.String(allow_none=True)
    name = fields.String(allow_none=True)
    lines = fields.Integer()
    fen = fields.Integer()


class StatementsOut(MonthOut):
    """The fen of `payers` sum to discount_fen of `total`."""

    stores = fields.List(fields.Nested(StoreOwedOut))
    payers = fields.List(fields.Nested(PayerOut))
    total = fields.Nested(OwedOut)


class LineOut(Schema):
    """One redemption, or what came back of one, in the month in which it happened. Fen, negative where it came back."""

    redemption = PublicId("rdm", attribute="redemption_id")
    kind = fields.String(metadata={"description": "redeemed, refunded or returned."})
    at = fields.AwareDateTime()
    order_no = fields.String()
    campaign = PublicId("cmp", attribute="campaign_id")
    campaign_name = fields.String(attribute="campaign")
    supplier = fields.String(allow_none=True)
    discount_fen = fields.Integer()
    hq_fen = fields.Integer()
    dealer_fen = fields.Integer()
    supplier_fen = fields.Integer()


class LinesOut(Page):
    items = fields.List(fields.Nested(LineOut))


class LinesIn(Schema):
    cursor = fields.String(load_default="", validate=Length(max=200))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 500))


class CloseIn(Schema):
    digest = fields.String(required=True, validate=Length(64, 64))


TABLE = {200: "A CSV file.", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@api.get("/coupon-statements/<month>")
@api.output(StatementsOut)
@api.doc(summary="What the caller's stores are owed for a month", security="AdminToken", responses=[401, 403, 404])
def coupon_statements(month: str) -> dict[str, Any]:
    """`month` is YYYY-MM in the brand's time zone. What is given back counts in the month of its return."""
    return statement(month)


@api.get("/coupon-statements/<month>/stores.csv")
@api.doc(summary="A month by store as a table", security="AdminToken", responses=TABLE)
def coupon_statement_table(month: str) -> Response:
    """CSV in UTF-8 with a byte-order mark; amounts in yuan; no cell can run as a formula."""
    return store_table(month)


@api.get("/coupon-statements/<month>/<store_id>")
@api.input(LinesIn, location="query", arg_name="asked")
@api.output(LinesOut)
@api.doc(summary="The lines of a store's month", security="AdminToken", responses=[401, 403, 404])
def coupon_statement_lines(month: str, store_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """In the order of time."""
    return lines(month, store_id, asked["cursor"], asked["limit"])


@api.get("/coupon-statements/<month>/<store_id>/lines.csv")
@api.doc(summary="All lines of a store's month as a table", security="AdminToken", responses=TABLE)
def coupon_statement_line_table(month: str, store_id: str) -> Response:
    """CSV as of the months; the last line is the sum."""
    return line_table(month, store_id)


@api.post("/coupon-statements/<month>/ask")
@api.output(MonthOut)
@api.doc(summary="Ask for a month to be closed", security="AdminToken", responses=[401, 403, 404, 409, 503])
def ask_to_close_month(month: str) -> dict[str, Any]:
    """The month must be over and the one before it closed. Asked again, the newer question counts."""
    return asked_to_close(month)


@api.post("/coupon-statements/<month>/close")
@api.input(CloseIn, arg_name="given")
@api.output(MonthOut)
@api.doc(summary="Close a month", security="AdminToken", responses=[401, 403, 404, 409, 503])
def close_month(month: str, given: dict[str, str]) -> dict[str, Any]:
    """By somebody else than who asked, with the digest that was asked for. A closed month never changes."""
    return closed(month, given["digest"])


def statement(month: str) -> dict[str, Any]:
    """A month of the caller's stores, for the API and the console alike."""
    reach, first = scope.current().reach, queries.month_of(month)
    found = queries.sums(reach.brand_id, first, reach.store_ids)
    dealers = {dealer.id: dealer for dealer in org.dealers(reach.brand_id)}
    seen = [store for store in org.stores(reach.brand_id) if reach.covers(store.id)]
    memo = conflicts.by_store(reach.brand_id, first, [store.id for store in seen])
    places = [store for store in seen if store.id in found or store.id in memo]
    stores = [
        {
            "store_id": store.id,
            "code": store.code,
            "name": store.name,
            "dealer": dealers[store.dealer_id].name if store.dealer_id else None,
            **_owed(found.get(store.id, queries.Sum()), memo.get(store.id, conflicts.Conflicts())),
        }
        for store in places
    ]
    payers = bills.payers(found, {store.id: store.dealer_id for store in places})
    total = _owed(queries.total(found), conflicts.total(memo.values()))
    return {**_month(first), "stores": stores, "payers": _payers(payers, dealers), "total": total}


def lines(month: str, store_id: str, cursor: str, limit: int = PAGE) -> dict[str, Any]:
    """A page of a store's lines; NotFound outside the caller's stores."""
    store, first = seen_store(store_id), queries.month_of(month)
    found = queries.lines(store.brand_id, first, store.id, after=paging.after(cursor), limit=limit + 1)
    shown, next_cursor = paging.page(found, limit, lambda line: (line.at, line.redemption_id))
    return {"items": shown, "next_cursor": next_cursor}


def seen_store(store_id: str) -> Store:
    """A store of the caller's reach; NotFound otherwise."""
    reach = scope.current().reach
    store = org.store(reach.brand_id, ids.decode("sto", store_id))
    if store is None or not reach.covers(store.id):
        raise NotFound()
    return store


def store_table(month: str) -> Response:
    """A month by store as CSV, its sum in the last line."""
    found, columns = statement(month), words.STATEMENT_COLUMNS | words.MEMO_COLUMNS
    rows = [
        {label: cell(name, one.get(name)) for name, label in columns.items()}
        for one in [*found["stores"], {"name": "合计", **found["total"]}]
    ]
    return sheet(csv_of([*columns.values()], rows), f"coupon-statement-{month}.csv")


def line_table(month: str, store_id: str) -> Response:
    """All lines of a store's month as CSV, their sum last."""
    store, first = seen_store(store_id), queries.month_of(month)
    zone = ZoneInfo(scope.current().timezone)
    lines = [*_all_lines(store.brand_id, first, store.id)]
    rows = [row(line, zone) for line in lines]
    money = {name: label for name, label in words.LINE_COLUMNS.items() if name.endswith("_fen")}
    total = {label: cell(name, sum(getattr(line, name) for line in lines)) for name, label in money.items()}
    text = csv_of([*words.LINE_COLUMNS.values()], [*rows, {words.LINE_COLUMNS["at"]: "合计", **total}])
    return sheet(text, f"coupon-statement-{month}-{store_id}.csv")


def asked_to_close(month: str) -> dict[str, Any]:
    """Ask, and note who did."""
    me, first = scope.current(), queries.month_of(month)

    def work() -> None:
        found = commands.ask(brand_id=me.brand_id, month=first, by=me.actor)
        audit.record(actor=me.actor, action="coupons.month_asked", subject=month, **found._asdict())

    run(work)
    return _month(first)


def closed(month: str, digest: str) -> dict[str, Any]:
    """Close, and note who did."""
    me, first = scope.current(), queries.month_of(month)

    def work() -> None:
        commands.close(brand_id=me.brand_id, month=first, digest=digest, by=me.actor)
        audit.record(actor=me.actor, action="coupons.month_closed", subject=month, digest=digest)

    run(work)
    return _month(first)


def this_month() -> str:
    """The present month of the brand."""
    return f"{clock.now().astimezone(ZoneInfo(scope.current().timezone)):%Y-%m}"


def beside(month: str) -> tuple[str, str | None]:
    """The month before and the one after, unless that has not begun."""
    first = queries.month_of(month)
    after = f"{first + timedelta(days=32):%Y-%m}"
    return f"{first - timedelta(days=1):%Y-%m}", after if after <= this_month() else None


def _month(first: date) -> dict[str, Any]:
    brand_id = scope.current().brand_id
    row = queries.month(brand_id, first)
    names = ("status", "digest", "asked_by", "asked_at", "closed_by", "closed_at")
    told = {name: getattr(row, name, None) for name in names}
    status = "closed" if queries.is_closed(brand_id, first) else told["status"] or "open"
    return {"month": f"{first:%Y-%m}", **told, "status": status}


def _owed(owed: queries.Sum, memo: conflicts.Conflicts) -> dict[str, Any]:
    return vars(owed) | {"offline_conflicts": memo.receipts, "offline_conflicts_fen": memo.fen}


def _payers(payers: list[bills.Payer], dealers: dict[int, Dealer]) -> list[dict[str, Any]]:
    """Headquarters, then dealers by code, then suppliers by name."""
    kinds = [*words.PAYER]
    told = [
        {
            "kind": one.kind,
            "code": dealers[one.dealer_id].code if one.dealer_id else None,
            "name": dealers[one.dealer_id].name if one.dealer_id else one.supplier,
            "lines": one.lines,
            "fen": one.fen,
        }
        for one in payers
    ]
    return sorted(told, key=lambda one: (kinds.index(one["kind"]), one["code"] or "", one["name"] or ""))


def _all_lines(brand_id: int, first: date, store_id: int) -> Iterator[queries.Line]:
    after = None
    while page := queries.lines(brand_id, first, store_id, after=after, limit=CHUNK):
        after = (page[-1].at, page[-1].redemption_id)
        yield from page


def row(line: queries.Line, zone: ZoneInfo) -> dict[str, Any]:
    """A line as a row of a table, by the labels of LINE_COLUMNS."""
    told = line._asdict() | {
        "at": line.at.astimezone(zone).isoformat(timespec="seconds"),
        "kind": words.FACT[line.kind],
        "redemption": ids.encode("rdm", line.redemption_id),
    }
    return {label: cell(name, told[name]) for name, label in words.LINE_COLUMNS.items()}


def cell(name: str, value: Any) -> Any:
    """A figure as a cell: money in yuan."""
    return words.amount(value) if name.endswith("_fen") and value is not None else value
