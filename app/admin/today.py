"""Today and its live feed, polled by the console: answers carry an ETag, an unchanged one costs 304."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from apiflask import Schema, fields

from app.core import clock
from app.core.fields import Page, PublicId
from app.dashboards.queries import feed as feed_queries
from app.dashboards.queries import today as today_queries
from app.dashboards.rules import day_of
from app.org import queries as org

from . import scope, wording
from .blueprint import api

TOP_STORES = 10
FEED = 30


class FigureOut(Schema):
    """`yesterday` is the day before up to the same time of day."""

    today = fields.Integer()
    yesterday = fields.Integer()


class StoreDayOut(Schema):
    id = PublicId("sto", attribute="store_id")
    code = fields.String()
    name = fields.String()
    sales_fen = fields.Integer()
    orders = fields.Integer()
    new_members = fields.Integer()
    customers_added = fields.Integer()
    tasks_due = fields.Integer()
    tasks_done = fields.Integer()
    task_bp = fields.Integer(metadata={"description": "Tasks done of those due today, in basis points."})
    redeemed = fields.Integer()


class FunnelOut(Schema):
    """Customers added in the last seven days and how many of them got how far."""

    added = fields.Integer()
    bound = fields.Integer()
    tasked = fields.Integer()
    redeemed = fields.Integer()


class TodayOut(Schema):
    date = fields.Date()
    timezone = fields.String()
    currency = fields.String()
    new_members = fields.Nested(FigureOut)
    customers_added = fields.Nested(FigureOut)
    tasks_created = fields.Nested(FigureOut)
    tasks_done = fields.Nested(FigureOut)
    tasks_due = fields.Nested(FigureOut)
    task_bp = fields.Nested(FigureOut)
    coupons_issued = fields.Nested(FigureOut)
    coupons_redeemed = fields.Nested(FigureOut)
    discount_fen = fields.Nested(FigureOut)
    orders = fields.Nested(FigureOut)
    sales_fen = fields.Nested(FigureOut)
    sales_by_hour = fields.List(fields.Integer(), metadata={"description": "Fen by hour 0..23 of the brand's day."})
    sales_by_hour_yesterday = fields.List(fields.Integer())
    stores = fields.List(fields.Nested(StoreDayOut))
    funnel = fields.Nested(FunnelOut)


class StoresOut(Page):
    items = fields.List(fields.Nested(StoreDayOut))


class FeedItemOut(Schema):
    id = PublicId("evt", attribute="event_id")
    name = fields.String()
    at = fields.AwareDateTime()
    text = fields.String()
    member = PublicId("mbr", attribute="member_id", allow_none=True)


class FeedOut(Schema):
    items = fields.List(fields.Nested(FeedItemOut))


@api.get("/today")
@api.output(TodayOut)
@api.doc(summary="Today so far, beside yesterday", security="AdminToken", responses=[401, 403])
def today() -> dict[str, Any]:
    """Money in fen, shares in basis points. Counts are of the caller's stores."""
    return board()


@api.get("/stores")
@api.output(StoresOut)
@api.doc(summary="The caller's stores with their figures of today", security="AdminToken", responses=[401, 403])
def stores() -> dict[str, Any]:
    """Stores with the most sales first."""
    me = scope.current()
    return {"items": today_queries.stores(me.reach, day_of(clock.now(), me.timezone)), "next_cursor": None}


@api.get("/feed")
@api.output(FeedOut)
@api.doc(summary="What just happened", security="AdminToken", responses=[401, 403])
def feed() -> dict[str, Any]:
    """The newest events, newest first. `text` is Simplified Chinese and names nobody in full."""
    return {"items": happened()}


def board() -> dict[str, Any]:
    """The figures of the page of today, for the API and the console alike."""
    me = scope.current()
    day = day_of(clock.now(), me.timezone)
    found = today_queries.board(me.reach, day)
    return {
        "date": day.start.date(),
        "timezone": me.timezone,
        "currency": "CNY",
        **found.figures,
        "task_bp": found.task_bp,
        "sales_by_hour": found.hours,
        "sales_by_hour_yesterday": found.hours_yesterday,
        "stores": found.stores[:TOP_STORES],
        "funnel": found.funnel,
    }


def happened() -> list[dict[str, Any]]:
    """The feed in words."""
    reach = scope.current().reach
    names = {store.id: store.name for store in org.stores(reach.brand_id)}
    return [
        {**asdict(event), "text": wording.feed_line(event, names)} for event in feed_queries.newest(reach, limit=FEED)
    ]
