"""Coupons that tills took offline: what became of each, and what a store's conflicts may come to in a month."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range

from app.core import audit, clock, ids, paging
from app.core.fields import Page, PublicId
from app.core.transaction import run
from app.coupons import commands, queries
from app.coupons.models import OfflineReceipt
from app.org import queries as org
from app.org.models import Store

from . import scope
from .blueprint import api
from .coupon_statements import seen_store
from .lists import PageIn

OUTCOMES = ("conflict", "over", "redeemed", "refused")
MOST_FEN = 1_000_000_000


class ReceiptsIn(PageIn):
    outcome = fields.String(
        load_default="",
        validate=OneOf(("", *OUTCOMES)),
        metadata={"description": "conflict and over when it is not named."},
    )
    store = fields.String(load_default="", validate=Length(max=40), metadata={"description": "sto_..."})


class ToldReceiptOut(Schema):
    """`reason`: why it is no redemption, as a code of errors. What a conflict took off is the store's own loss."""

    receipt_no = fields.String()
    store = PublicId("sto", attribute="store_id")
    store_name = fields.String()
    order_no = fields.String()
    coupon = PublicId("cpn", attribute="coupon_id", allow_none=True)
    redemption = PublicId("rdm", attribute="redemption_id", allow_none=True)
    outcome = fields.String(metadata={"description": "redeemed, conflict, over or refused."})
    reason = fields.String()
    discount_fen = fields.Integer()
    currency = fields.Constant("CNY")
    taken_at = fields.AwareDateTime()
    received_at = fields.AwareDateTime()


class ReceiptsOut(Page):
    items = fields.List(fields.Nested(ToldReceiptOut))


class QuotaIn(Schema):
    limit_fen = fields.Integer(required=True, validate=Range(0, MOST_FEN))


class QuotaOut(Schema):
    store = PublicId("sto", attribute="store_id")
    code = fields.String()
    name = fields.String()
    month = fields.String()
    limit_fen = fields.Integer()
    used_fen = fields.Integer()
    currency = fields.Constant("CNY")


class QuotaLineOut(QuotaOut):
    """One of a list."""


class QuotasOut(Page):
    items = fields.List(fields.Nested(QuotaLineOut))


@api.get("/offline-receipts")
@api.input(ReceiptsIn, location="query", arg_name="asked")
@api.output(ReceiptsOut)
@api.doc(summary="Coupons that tills took offline", security="AdminToken", responses=[401, 403, 404, 422])
def offline_receipts(asked: dict[str, Any]) -> dict[str, Any]:
    """The last told first. `conflict`: somebody else had used the coupon, or it was not good any more, charged to the
    store's quota; `over`: beyond it, for somebody to look at."""
    return listed(asked["outcome"], asked["store"], asked["cursor"], asked["limit"])


@api.get("/offline-quotas")
@api.output(QuotasOut)
@api.doc(summary="What stores may lose by offline conflicts", security="AdminToken", responses=[401, 403])
def offline_quotas() -> dict[str, Any]:
    """In this month of the brand, for every store of the caller's; 0 where nothing was set."""
    return {"items": quotas(), "next_cursor": None}


@api.put("/offline-quotas/<store_id>")
@api.input(QuotaIn, arg_name="given")
@api.output(QuotaOut)
@api.doc(summary="Set what a store may lose", security="AdminToken", responses=[401, 403, 404, 422])
def set_offline_quota(store_id: str, given: dict[str, int]) -> dict[str, Any]:
    """A month, from this one on; never below what was used in it."""
    return allowed(store_id, given["limit_fen"])


# ---- what the routes and the page share


def listed(outcome: str, store: str, cursor: str, limit: int) -> dict[str, Any]:
    """A page of the receipts of the caller's stores."""
    me = scope.current()
    within = me.reach.within(OfflineReceipt.store_id)
    if store:
        within = OfflineReceipt.store_id == seen_store(store).id
    found = queries.told_offline(
        me.brand_id,
        within=within,
        outcomes=[outcome] if outcome else OUTCOMES[:2],
        before=paging.place(cursor),
        limit=limit + 1,
    )
    page, next_cursor = paging.page(found, limit, lambda one: one.place)
    stores = {one.id: one for one in org.stores(me.brand_id)}
    return {"items": [_told(one.receipt, stores) for one in page], "next_cursor": next_cursor}


def quotas() -> list[dict[str, Any]]:
    """This month's quotas of the caller's stores."""
    me, month = scope.current(), _month()
    known = queries.offline_quotas(me.brand_id, month)
    nothing = queries.Quota(0, 0)
    return [
        {
            "store_id": store.id,
            "code": store.code,
            "name": store.name,
            "month": month,
            **known.get(store.id, nothing)._asdict(),
        }
        for store in org.stores(me.brand_id)
        if me.reach.covers(store.id)
    ]


def allowed(store_id: str, limit_fen: int) -> dict[str, Any]:
    """Set a store's quota as the caller; what holds now."""
    me, store = scope.current(), seen_store(store_id)

    def work() -> None:
        commands.set_offline_limit(brand_id=me.brand_id, store_id=store.id, limit_fen=limit_fen)
        subject = ids.encode("sto", store.id)
        audit.record(actor=me.actor, action="coupons.offline_quota", subject=subject, limit_fen=limit_fen)

    run(work)
    return next(one for one in quotas() if one["store_id"] == store.id)


def _month() -> str:
    return f"{clock.now().astimezone(ZoneInfo(scope.current().timezone)):%Y-%m}"


def _told(row: OfflineReceipt, stores: dict[int, Store]) -> dict[str, Any]:
    names = (
        "receipt_no", "store_id", "order_no", "coupon_id", "redemption_id", "outcome", "reason", "discount_fen",
        "taken_at", "received_at",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names} | {"store_name": stores[row.store_id].name}
