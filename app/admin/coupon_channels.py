"""Campaigns shown in outside channels, for headquarters: bind and unbind them, see coupons' twins, settle conflicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf
from marshmallow import ValidationError, validates_schema

from app.core import audit, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page, PublicId
from app.core.transaction import run, transaction
from app.coupons import queries as coupons
from app.coupons.twins import bindings, commands, queries, rules
from app.coupons.twins.models import CouponTwin, TwinConflict
from app.coupons.twins.port import StockRef
from app.flows.coupon_twins import adapters
from app.org import queries as org

from . import scope
from .blueprint import api
from .lists import PAGE, PageIn

_EXTERNAL = Length(1, 64)


class ChannelOut(Schema):
    """What a channel can do. `closed`: it takes no new campaigns; `configured`: the deployment has an account there."""

    name = fields.String()
    configured = fields.Boolean()
    closed = fields.Boolean()
    kinds = fields.List(fields.String())
    own_codes = fields.Boolean()
    hands_out = fields.Boolean()


class BindIn(Schema):
    """`own_codes`: the channel shows our codes; else it makes its own, and users may take coupons there. `store` is
    where uses that happen in the channel are booked. Without `stock_id` a stock is made there, which needs `image_url`.
    """

    channel = fields.String(required=True, validate=OneOf((*rules.CHANNELS, *sorted(rules.CLOSED))))
    store = fields.String(required=True, validate=Length(1, 64), metadata={"description": "The store's code."})
    own_codes = fields.Boolean(load_default=True)
    image_url = fields.URL(load_default="", schemes={"https"}, validate=Length(max=500))
    product_id = fields.String(load_default=None, allow_none=True, validate=_EXTERNAL)
    stock_id = fields.String(load_default=None, allow_none=True, validate=_EXTERNAL)

    @validates_schema
    def _both(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data.get("product_id")) != bool(data.get("stock_id")):
            raise ValidationError("product_id and stock_id go together.", "stock_id")


class BindingOut(Schema):
    """`twins` counts coupons by their state in the channel; `last_error` is the channel's or our own reason. `version`
    is of the terms that the channel shows, `campaign_version` of those in force: where it is newer, coupons of the new
    terms are not shown there until the campaign is bound anew.
    """

    campaign = PublicId("cmp", attribute="campaign_id")
    code = fields.String()
    name = fields.String()
    version = fields.Integer()
    campaign_version = fields.Integer()
    channel = fields.String()
    state = fields.String(metadata={"enum": list(rules.BINDING_STATES)})
    product_id = fields.String(allow_none=True)
    stock_id = fields.String(allow_none=True)
    own_codes = fields.Boolean()
    store = fields.String()
    most = fields.Integer(allow_none=True)
    last_error = fields.String(allow_none=True)
    bound_at = fields.AwareDateTime()
    checked_at = fields.AwareDateTime(allow_none=True)
    twins = fields.Dict(keys=fields.String(), values=fields.Integer())


class BindingLineOut(BindingOut):
    """One of a list."""


class ChannelsOut(Schema):
    channels = fields.List(fields.Nested(ChannelOut))
    items = fields.List(fields.Nested(BindingLineOut))


class TwinsIn(PageIn):
    campaign = fields.String(load_default="", validate=Length(max=40))
    state = fields.String(load_default="", validate=OneOf(("", *rules.STATES)))


class TwinOut(Schema):
    coupon = PublicId("cpn", attribute="coupon_id")
    member = PublicId("mbr", attribute="member_id")
    campaign = PublicId("cmp", attribute="campaign_id")
    channel = fields.String()
    state = fields.String()
    external_code = fields.String(allow_none=True)
    order_no = fields.String(allow_none=True)
    fact_at = fields.AwareDateTime(allow_none=True)
    looked_at = fields.AwareDateTime()
    last_error = fields.String(allow_none=True)


class TwinsOut(Page):
    items = fields.List(fields.Nested(TwinOut))


class ConflictsIn(PageIn):
    status = fields.String(load_default="open", validate=OneOf(("open", "closed")))


class ConflictOut(Schema):
    """`ours` and `theirs`: states, order and request numbers as they were when both sides were compared."""

    id = PublicId("tcf", attribute="conflict_id")
    coupon = PublicId("cpn", attribute="coupon_id")
    member = PublicId("mbr", attribute="member_id")
    channel = fields.String()
    kind = fields.String(metadata={"enum": list(rules.CONFLICTS)})
    ours = fields.Dict()
    theirs = fields.Dict()
    found_at = fields.AwareDateTime()
    closed_at = fields.AwareDateTime(allow_none=True)
    closed_by = fields.String(allow_none=True)
    note = fields.String(allow_none=True)


class ConflictLineOut(ConflictOut):
    """One of a list."""


class ConflictsOut(Page):
    items = fields.List(fields.Nested(ConflictLineOut))


class ConflictClosedIn(Schema):
    """`retell`: compare both sides once more and tell the channel again."""

    note = fields.String(required=True, validate=Length(2, 200))
    retell = fields.Boolean(load_default=False)


@api.get("/coupon-channels")
@api.output(ChannelsOut)
@api.doc(summary="Coupon channels and the campaigns they show", security="AdminToken", responses=[401, 403])
def coupon_channels() -> dict[str, Any]:
    return shown()


@api.put("/campaigns/<campaign_id>/channel")
@api.input(BindIn, arg_name="given")
@api.output(BindingOut)
@api.doc(summary="Show a campaign in a channel", security="AdminToken", responses=[401, 403, 404, 409, 422])
def bind_campaign(campaign_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Coupons given out from now on are shown there too. The stock is made soon after, and may wait for the channel's
    own approval. 409 `binding_exists`, `binding_ending` (the last stock's end is on its way), `stock_taken`,
    `channel_closed`, `channel_not_configured`; 422 `channel_unfit` names the terms that the channel cannot show.
    """
    return bound(campaign_id, given)


@api.delete("/campaigns/<campaign_id>/channel")
@api.output(BindingOut)
@api.doc(summary="Show no more coupons of a campaign there", security="AdminToken", responses=[401, 403, 404])
def unbind_campaign(campaign_id: str) -> dict[str, Any]:
    """Coupons that are shown there stay, and are kept in step."""
    return unbound(campaign_id)


@api.get("/coupon-twins")
@api.input(TwinsIn, location="query", arg_name="asked")
@api.output(TwinsOut)
@api.doc(summary="Coupons as channels show them, newest first", security="AdminToken", responses=[401, 403, 404])
def coupon_twins(asked: dict[str, Any]) -> dict[str, Any]:
    campaign = ids.decode("cmp", asked["campaign"]) if asked["campaign"] else None
    return twins(campaign, asked["state"], asked["cursor"], asked["limit"])


@api.get("/twin-conflicts")
@api.input(ConflictsIn, location="query", arg_name="asked")
@api.output(ConflictsOut)
@api.doc(summary="Coupons on which both sides contradict", security="AdminToken", responses=[401, 403])
def twin_conflicts(asked: dict[str, Any]) -> dict[str, Any]:
    return conflicts(asked["status"] == "closed", asked["cursor"], asked["limit"])


@api.post("/twin-conflicts/<conflict_id>/close")
@api.input(ConflictClosedIn, arg_name="given")
@api.output(ConflictOut)
@api.doc(summary="Settle a contradiction", security="AdminToken", responses=[401, 403, 404, 409, 422])
def close_twin_conflict(conflict_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """409 `twin_conflict_closed` when somebody else settled it."""
    row = closed(conflict_id, given["note"], given["retell"])
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


def shown() -> dict[str, Any]:
    """All channels and bindings, for the API and the console alike."""
    return {"channels": _channels(), "items": _bindings()}


def bound(campaign_id: str, given: dict[str, Any]) -> dict[str, Any]:
    me, number = scope.current(), ids.decode("cmp", campaign_id)
    coupons.campaign(me.brand_id, number)  # what is not there is not there, whatever the rest of the request says
    bindings.check_channel(given["channel"])
    can = adapters.channel(given["channel"]).capabilities
    store = org.store_by_code(me.brand_id, given["store"])
    if store is None:
        raise NotFound("The brand has no such store.", field="store")
    stock = StockRef(given["product_id"], given["stock_id"]) if given.get("stock_id") else None

    def work() -> None:
        bindings.bind(
            brand_id=me.brand_id,
            campaign_id=number,
            channel=given["channel"],
            can=can,
            own_codes=given["own_codes"],
            store_id=store.id,
            image_url=given["image_url"],
            stock=stock,
            by=me.actor,
        )
        audit.record(actor=me.actor, action="coupons.bind", subject=campaign_id, channel=given["channel"])

    run(work)
    return _binding(number)


def unbound(campaign_id: str) -> dict[str, Any]:
    me, number = scope.current(), ids.decode("cmp", campaign_id)
    with transaction():
        bindings.unbind(brand_id=me.brand_id, campaign_id=number)
        audit.record(actor=me.actor, action="coupons.unbind", subject=campaign_id)
    return _binding(number)


def campaigns() -> list[coupons.CampaignLine]:
    """The brand's campaigns, for the page to choose from."""
    return [one for one in coupons.campaigns(scope.current().brand_id) if one.status != "ended"]


def twins(campaign_id: int | None, state: str, cursor: str, limit: int = PAGE) -> dict[str, Any]:
    states = (state,) if state else ()
    rows: Sequence[CouponTwin] = queries.twins(
        scope.current().brand_id,
        campaign_id=campaign_id,
        states=states,
        before=paging.after_id(cursor),
        limit=limit + 1,
    )
    items, next_cursor = paging.page(rows, limit, lambda row: (row.coupon_id,))
    return {"items": items, "next_cursor": next_cursor}


def conflicts(over: bool, cursor: str, limit: int = PAGE) -> dict[str, Any]:
    rows = queries.conflicts(
        scope.current().brand_id, closed=over, before=paging.after_id(cursor), limit=limit + 1
    )
    items, next_cursor = paging.page(rows, limit, lambda row: (row.conflict_id,))
    return {"items": items, "next_cursor": next_cursor}


def closed(conflict_id: str, note: str, retell: bool) -> TwinConflict:
    me, number = scope.current(), ids.decode("tcf", conflict_id)
    with transaction():
        row = commands.close_conflict(
            brand_id=me.brand_id, conflict_id=number, by=me.actor, note=note.strip(), retell=retell
        )
        audit.record(actor=me.actor, action="coupons.conflict_closed", subject=conflict_id, retell=retell)
    return row


def _channels() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "configured": adapters.configured(name),
            "closed": name in rules.CLOSED,
            "kinds": sorted(can.kinds) if can else [],
            "own_codes": bool(can and can.own_codes),
            "hands_out": bool(can and can.hands_out),
        }
        for name in (*rules.CHANNELS, *sorted(rules.CLOSED))
        for can in [adapters.capabilities(name)]
    ]


def _bindings() -> list[dict[str, Any]]:
    me = scope.current()
    stores = {store.id: store.code for store in org.stores(me.brand_id)}
    columns = ("campaign_id", "version", "channel", "state", "product_id", "stock_id", "own_codes", "most")
    others = ("last_error", "bound_at", "checked_at")
    return [
        {
            **{name: getattr(one.binding, name) for name in (*columns, *others)},
            "code": one.code,
            "name": one.name,
            "campaign_version": one.version,
            "store": stores.get(one.binding.store_id, ""),
            "twins": one.twins,
        }
        for one in queries.bindings(me.brand_id)
    ]


def _binding(campaign_id: int) -> dict[str, Any]:
    return next(one for one in _bindings() if one["campaign_id"] == campaign_id)
