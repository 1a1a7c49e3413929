"""Who am I, how do I stand, and the signatures that let the page speak to WeCom."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from flask import current_app

from app.core import clock, ids, transaction
from app.core.errors import Invalid
from app.dashboards.queries import guide_days
from app.flows import accounts
from app.org import queries as org
from app.settings import Settings
from app.sop import queries as sop
from app.wechat.wecom import SignedConfig

from . import auth
from .blueprint import api


class PageForeign(Invalid):
    code, message = "page_foreign", "Only our own pages are signed for."


class NamedOut(Schema):
    id = fields.String()
    name = fields.String()


class CountsOut(Schema):
    due = fields.Integer()
    overdue = fields.Integer()
    done = fields.Integer(metadata={"description": "Done today."})


class MeOut(NamedOut):
    role = fields.String(metadata={"description": "guide or store_manager."})
    userid = fields.String()
    store = fields.Nested(NamedOut)
    brand = fields.Nested(NamedOut)
    tasks = fields.Nested(CountsOut)


class PageIn(Schema):
    url = fields.String(required=True, validate=Length(1, 2048))


class SignatureOut(Schema):
    timestamp = fields.Integer()
    nonceStr = fields.String(attribute="nonce")
    signature = fields.String()


class JssdkOut(Schema):
    """For `ww.register`: `config` answers getConfigSignature, `agent_config` getAgentConfigSignature."""

    corp_id = fields.String()
    agent_id = fields.Integer()
    config = fields.Nested(SignatureOut)
    agent_config = fields.Nested(SignatureOut)


class PerformanceIn(Schema):
    days = fields.Integer(load_default=7, validate=OneOf([1, 7, 30]))


class DayOut(Schema):
    day = fields.Date()
    tasks_done = fields.Integer()
    new_customers = fields.Integer()
    coupons_redeemed = fields.Integer()
    sales_fen = fields.Integer()
    orders = fields.Integer()


class PerformanceOut(Schema):
    """Totals over the days and each day, oldest first; sales of orders that name this guide, in fen."""

    days = fields.List(fields.Nested(DayOut))
    tasks_done = fields.Integer()
    new_customers = fields.Integer()
    coupons_redeemed = fields.Integer()
    sales_fen = fields.Integer()
    orders = fields.Integer()
    tasks_due = fields.Integer()
    tasks_overdue = fields.Integer()
    currency = fields.Constant("CNY")


@api.get("/me")
@api.output(MeOut)
@api.doc(summary="Who am I", security=auth.SECURITY, responses=[401])
def me() -> dict[str, Any]:
    """The signed-in guide with the number of tasks that wait."""
    guide = auth.guide()
    brand, store = org.brand(guide.brand_id), org.store(guide.brand_id, guide.store_id)
    return {
        "id": ids.encode("gde", guide.guide_id),
        "name": guide.name,
        "role": guide.role,
        "userid": guide.userid,
        "store": {"id": ids.encode("sto", guide.store_id), "name": store.name if store else ""},
        "brand": {"id": ids.encode("brd", brand.id), "name": brand.name},
        "tasks": sop.counts(guide.brand_id, guide.guide_id, first_day(brand.timezone, 1)),
    }


@api.get("/jssdk")
@api.input(PageIn, location="query")
@api.output(JssdkOut)
@api.doc(summary="JS-SDK signatures", security=auth.SECURITY, responses=[401])
def jssdk(query_data: dict[str, str]) -> dict[str, Any]:
    """Signatures for one of our pages, as the browser sees its address."""
    settings: Settings = current_app.extensions["siyu"]
    url = query_data["url"]
    try:
        ours = urlsplit(url)[:2] == urlsplit(settings.public_url)[:2]
    except ValueError:  # brackets that hold no address
        ours = False
    if not ours:
        raise PageForeign()
    with transaction.reading():
        guide = auth.guide()
    gateway = accounts.wecom(guide.brand_id)
    config: SignedConfig = gateway.config(url)
    agent: SignedConfig = gateway.agent_config(url)
    return {"corp_id": config.corp_id, "agent_id": agent.agent_id, "config": config, "agent_config": agent}


@api.get("/performance")
@api.input(PerformanceIn, location="query")
@api.output(PerformanceOut)
@api.doc(summary="How I did", security=auth.SECURITY, responses=[401])
def performance(query_data: dict[str, int]) -> dict[str, Any]:
    """The guide's own figures of today, the last 7 or the last 30 days."""
    guide = auth.guide()
    zone = org.brand(guide.brand_id).timezone
    since = first_day(zone, query_data["days"])
    days = guide_days.of(guide.brand_id, guide.guide_id, since=since, zone=zone, days=query_data["days"])
    counts = sop.counts(guide.brand_id, guide.guide_id, since)
    figures = ("tasks_done", "new_customers", "coupons_redeemed", "sales_fen", "orders")
    return {
        "days": days,
        **{name: sum(getattr(day, name) for day in days) for name in figures},
        "tasks_due": counts.due,
        "tasks_overdue": counts.overdue,
    }


def first_day(timezone: str, days: int) -> datetime:
    """The beginning of the first of the last `days` days, today included, in the brand's time zone."""
    zone = ZoneInfo(timezone)
    day = clock.now().astimezone(zone).date() - timedelta(days=days - 1)
    return datetime.combine(day, time(), tzinfo=zone)
