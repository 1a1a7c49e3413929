"""The coupon report: counts, cost, sales and baskets of a range of days, for the caller's stores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from flask import Response
from marshmallow import ValidationError, validates_schema

from app.core import clock, ids
from app.core.errors import NotFound
from app.core.sheets import csv_of
from app.coupons import queries as coupons
from app.coupons.rules import SOURCES
from app.coupons.statements.queries import EARLIEST, LATEST
from app.dashboards.queries import coupon_report as queries
from app.dashboards.queries.coupon_report import BY, Figures, Report
from app.org import queries as org

from . import coupon_wording as words
from . import scope, wording
from .blueprint import api
from .downloads import sheet

DAYS, MOST_DAYS = 30, 400
_FIGURES = tuple(words.REPORT_FIGURE)


class ReportIn(Schema):
    """Days of the brand's time zone, both included; without them the last 30."""

    by = fields.String(load_default="campaign", validate=OneOf(BY))
    since = fields.Date(data_key="from", load_default=None, allow_none=True)
    until = fields.Date(data_key="to", load_default=None, allow_none=True)
    campaign = fields.String(load_default=None, allow_none=True, validate=Length(1, 40))
    store = fields.String(
        load_default=None, allow_none=True, validate=Length(1, 64), metadata={"description": "The store's code."}
    )
    guide = fields.String(load_default=None, allow_none=True, validate=Length(1, 40))
    source = fields.String(load_default=None, allow_none=True, validate=OneOf(SOURCES))

    @validates_schema
    def _order(self, data: dict[str, Any], **_: Any) -> None:
        since, until = data.get("since"), data.get("until")
        if any(one and not EARLIEST <= one <= LATEST for one in (since, until)):
            raise ValidationError("A day of these times is needed.", "from")
        if since and until and not since <= until < since + timedelta(days=MOST_DAYS):
            raise ValidationError(f"A range has 1 to {MOST_DAYS} days.", "to")


class FiguresOut(Schema):
    """`used_bp`: of the coupons issued in the range, those used by now. discount = hq + dealer + supplier, in fen, is
    what was taken off less what was given back. `orders` with a coupon, `sales_fen` paid for them and not refunded.
    """

    issued = fields.Integer()
    issued_by = fields.Dict(keys=fields.String(), values=fields.Integer(), metadata={"description": "By source."})
    used_bp = fields.Integer()
    used = fields.Integer()
    returned = fields.Integer()
    expired = fields.Integer()
    voided = fields.Integer()
    discount_fen = fields.Integer()
    hq_fen = fields.Integer()
    dealer_fen = fields.Integer()
    supplier_fen = fields.Integer()
    orders = fields.Integer()
    sales_fen = fields.Integer()


class ReportRowOut(FiguresOut):
    """`key` is a public id, a code or a day; null for what belongs to none."""

    key = fields.String(allow_none=True)
    name = fields.String()


class BasketsOut(Schema):
    orders = fields.Integer()
    sales_fen = fields.Integer()
    coupon_orders = fields.Integer()
    coupon_sales_fen = fields.Integer()
    with_fen = fields.Integer(metadata={"description": "Average paid for an order with a coupon."})
    without_fen = fields.Integer(metadata={"description": "Average paid for an order without one."})


class ReportOut(Schema):
    """Rows with the most used first, days in their order."""

    by = fields.String()
    since = fields.Date(data_key="from")
    until = fields.Date(data_key="to")
    currency = fields.Constant("CNY")
    rows = fields.List(fields.Nested(ReportRowOut))
    total = fields.Nested(FiguresOut)
    baskets = fields.Nested(BasketsOut)


@api.get("/coupon-reports")
@api.input(ReportIn, location="query", arg_name="asked")
@api.output(ReportOut)
@api.doc(summary="Coupons given, used, paid for and sold with", security="AdminToken", responses=[401, 403, 404])
def coupon_report(asked: dict[str, Any]) -> dict[str, Any]:
    """By campaign, store, guide, source (how it was given), channel (where it was used) or day."""
    return report(asked)


@api.get("/coupon-reports.csv")
@api.input(ReportIn, location="query", arg_name="asked")
@api.doc(
    summary="The coupon report as a table for spreadsheets",
    security="AdminToken",
    responses={200: "A CSV file.", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"},
)
def coupon_report_table(asked: dict[str, Any]) -> Response:
    """CSV in UTF-8 with a byte-order mark; amounts in yuan; no cell can run as a formula."""
    return table(asked)


def report(given: Mapping[str, Any]) -> dict[str, Any]:
    """The report, for the API and the console alike. NotFound for a campaign, store or guide that is not there."""
    me = scope.current()
    since, until = span(given)
    zone = ZoneInfo(me.timezone)
    chosen = {
        name: ids.decode(prefix, given[name]) if given.get(name) else None
        for name, prefix in (("campaign", "cmp"), ("guide", "gde"))
    }
    found = queries.report(
        me.reach,
        queries.Asked(
            by=given["by"],
            since=_midnight(since, zone),
            until=_midnight(until + timedelta(days=1), zone),
            zone=me.timezone,
            campaign_id=chosen["campaign"],
            store_id=_store(given["store"]) if given.get("store") else None,
            guide_id=chosen["guide"],
            source=given.get("source"),
        ),
    )
    return {
        "by": given["by"],
        "since": since,
        "until": until,
        "rows": _rows(given["by"], found),
        "total": _figures(found.total),
        "baskets": found.baskets,
    }


def table(given: Mapping[str, Any]) -> Response:
    """The report as CSV, its sum in the last line."""
    found = report(given)
    columns = [words.REPORT_BY[found["by"]], *(words.REPORT_FIGURE[name] for name in _FIGURES)]
    lines = [*found["rows"], {**found["total"], "name": "合计"}]
    rows = [
        dict(zip(columns, [line["name"], *(_cell(name, line[name]) for name in _FIGURES)], strict=True))
        for line in lines
    ]
    return sheet(csv_of(columns, rows), f"coupons-{found['by']}-{found['since']}-{found['until']}.csv")


def span(given: Mapping[str, Any]) -> tuple[date, date]:
    """The days asked for, or the last 30 up to today."""
    today = clock.now().astimezone(ZoneInfo(scope.current().timezone)).date()
    until = given.get("until") or (given["since"] + timedelta(days=DAYS - 1) if given.get("since") else today)
    return given.get("since") or until - timedelta(days=DAYS - 1), until


def _store(code: str) -> int:
    """The id of a store of the caller's reach; NotFound otherwise."""
    reach = scope.current().reach
    store = org.store_by_code(reach.brand_id, code)
    if store is None or not reach.covers(store.id):
        raise NotFound()
    return store.id


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _rows(by: str, found: Report) -> list[dict[str, Any]]:
    names = _names(by)
    prefix = {"campaign": "cmp", "store": "sto", "guide": "gde"}.get(by)
    rows = []
    for key, figures in found.rows.items():
        public = None if key is None else ids.encode(prefix, key) if prefix else str(key)
        name = words.REPORT_NOBODY[by] if key is None else names.get(key, str(key))
        rows.append({"key": public, "name": name, **_figures(figures)})
    if by == "day":
        return sorted(rows, key=lambda row: row["key"] or "")
    return sorted(rows, key=lambda row: (-row["used"], -row["issued"], row["key"] or ""))


def _names(by: str) -> dict[Any, str]:
    brand_id = scope.current().brand_id
    if by == "campaign":
        return {one.campaign_id: one.name for one in coupons.campaigns(brand_id)}
    if by == "store":
        return {one.id: one.name for one in org.stores(brand_id)}
    if by == "guide":
        return {one.id: one.name for one in org.guides(brand_id)}
    return {"source": {code: wording.source(code) for code in SOURCES}, "channel": words.CHANNEL}.get(by, {})


def _figures(figures: Figures) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in (*_FIGURES, "issued_by")}


def _cell(name: str, value: int) -> int | str | Decimal:
    if name.endswith("_fen"):
        return words.amount(value)
    return f"{value / 100:.2f}%" if name.endswith("_bp") else value
