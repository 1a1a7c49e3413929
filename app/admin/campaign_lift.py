"""What a campaign changed, for the API and the console alike: its pushes' members against those who were held out."""

from __future__ import annotations

from typing import Any

from apiflask import fields
from flask import render_template, request

from app.dashboards.queries import coupon_lift
from app.dashboards.queries.coupon_lift import Lift
from app.org import queries as org
from app.org.models import Store

from . import campaigns, scope
from . import coupon_wording as words
from .blueprint import api
from .console import console
from .coupon_pushes import LiftIn, LiftOut

DAYS = (7, 14, 30, 90)  # what the pages offer


class StoreLiftOut(LiftOut):
    """Members whose home this store is today; no intervals where fewer than 30 are on a side."""

    store = fields.String(allow_none=True, metadata={"description": "Its code; null: members without a home store."})
    name = fields.String()


class CampaignLiftOut(LiftOut):
    """The rows of `stores` add up to the whole. Members of the caller's stores only."""

    pushes = fields.Integer(
        metadata={"description": "Pushes that held members out; with 0 there is nothing to compare with."}
    )
    uneven = fields.Boolean(
        metadata={"description": "They held out different shares: the groups may be of different crowds."}
    )
    stores = fields.List(fields.Nested(StoreLiftOut))


@api.get("/campaigns/<campaign_id>/lift")
@api.input(LiftIn, location="query", arg_name="asked")
@api.output(CampaignLiftOut)
@api.doc(summary="What a campaign changed, also by store", security="AdminToken", responses=[401, 403, 404])
def campaign_lift(campaign_id: str, asked: dict[str, int]) -> dict[str, Any]:
    """Members of all its pushes that held some out: who got a coupon against who was kept out by chance, whether or not
    it was used. Each counts once, over `days` from the beginning of the first push that dealt with them; who got one by
    one push and was kept out of another counts on neither side.
    """
    found = lifted(campaign_id, asked["days"])
    stores = [vars(row.pop("lift")) | row for row in found.pop("stores")]
    return {**vars(found.pop("whole")), **found, "stores": stores}


@console.get("/campaigns/<campaign_id>/lift", endpoint="campaign_lift")
def lift_panel(campaign_id: str) -> str:
    """A card of the campaign's page, fetched after it: a large campaign takes seconds to compare."""
    days = days_asked()
    return render_template(
        "console/_campaign_lift.html", campaign=campaign_id, days=days, choices=DAYS, **lifted(campaign_id, days)
    )


# ---- what the route and the page share


def lifted(campaign_id: str, days: int) -> dict[str, Any]:
    """{"pushes", "uneven", "whole": Lift, "stores": [{"store": code or None, "name", "lift": Lift}]}, of members of the
    caller's stores. CampaignUnknown.
    """
    reach = scope.current().reach
    found = coupon_lift.campaign_lift(reach, campaigns.decoded(campaign_id), days)
    known = {store.id: store for store in org.stores(reach.brand_id)}
    return {
        "pushes": found.pushes,
        "uneven": found.uneven,
        "whole": found.whole,
        "stores": [_row(None if key is None else known[key], lift) for key, lift in found.stores],
    }


def days_asked() -> int:
    """How many days a page was asked for, of those that it offers."""
    asked = request.args.get("days", "")
    return int(asked) if asked in map(str, DAYS) else 30


def _row(store: Store | None, lift: Lift) -> dict[str, Any]:
    name = store.name if store else words.REPORT_NOBODY["store"]
    return {"store": store.code if store else None, "name": name, "lift": lift}
