"""A binding and its stock in the channel: made, looked at until it is approved there, resized with ours, ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.core import clock, ids
from app.core.errors import SiyuError
from app.core.outbox import emit
from app.core.slots import Slot
from app.core.work import Effect
from app.coupons import queries as coupon_queries
from app.coupons.twins import bindings, queries
from app.coupons.twins.errors import BindingUnknown, ChannelRefused
from app.coupons.twins.events import BindingDue
from app.coupons.twins.port import StockRef, StockState, StockWish
from app.coupons.wording import offer
from app.org import queries as org

from . import adapters

LOOK_EVERY = timedelta(minutes=10)
CHUNK = 100
ENDED = "活动已结束"


@dataclass(frozen=True)
class Ask:
    """`kind`: create, look, resize or end."""

    brand_id: int
    campaign_id: int
    round: int
    channel: str
    kind: str
    stock: StockRef | None = None
    wish: StockWish | None = None
    most_now: int = 0
    most: int = 0
    request_no: str = ""


def _read(event: BindingDue) -> Ask | None:
    try:
        row = queries.binding(event.brand_id, event.campaign_id)
    except BindingUnknown:
        return None
    stock = StockRef(row.product_id, row.stock_id) if row.product_id and row.stock_id else None
    base = (row.brand_id, row.campaign_id, row.round, row.channel)
    if row.state in ("refused", "deactivated") or row.state == "unbound" and not row.made:
        return None
    if row.state == "unbound" and stock is not None:
        return Ask(*base, "end", stock, request_no=f"end-{row.campaign_id}-{row.round}")
    if stock is None:  # also when unbound: perhaps it was made, and asking again finds it, so that it can be ended
        return Ask(*base, "create", wish=_wish(row.brand_id, row.campaign_id, row.round))
    most = queries.quota(row.campaign_id)
    if row.made and row.state == "sending" and row.most is not None and row.most != most:
        number = f"size-{ids.new_id()}"  # the size it has now is named too, so that a second try changes nothing
        return Ask(*base, "resize", stock, most_now=row.most, most=most, request_no=number)
    return Ask(*base, "look", stock)


def _call(ask: Ask) -> StockState | ChannelRefused:
    channel = adapters.channel(ask.channel)
    try:
        if ask.kind == "create":
            assert ask.wish is not None
            return channel.create_stock(ask.wish)
        assert ask.stock is not None
        if ask.kind == "end":
            return channel.end_stock(ask.stock, reason=ENDED, request_no=ask.request_no)
        if ask.kind == "resize":
            return channel.resize_stock(
                ask.stock, most_now=ask.most_now, most=ask.most, request_no=ask.request_no
            )
        return channel.stock(ask.stock)
    except ChannelRefused as refused:
        return refused


def _record(ask: Ask, answer: StockState | SiyuError) -> None:
    where = {"brand_id": ask.brand_id, "campaign_id": ask.campaign_id, "round_": ask.round}
    if isinstance(answer, ChannelRefused):
        if ask.kind == "end":
            bindings.note_stock_ended(**where, error=answer.reason)
        else:
            bindings.note_stock_refused(**where, reason=answer.reason, final=ask.kind == "create")
    elif isinstance(answer, SiyuError):
        raise answer
    elif ask.kind == "end":
        bindings.note_stock_ended(**where, error=None)
    else:
        bindings.note_stock(**where, state=answer)
        if queries.binding(ask.brand_id, ask.campaign_id).state == "unbound":
            emit(BindingDue(brand_id=ask.brand_id, campaign_id=ask.campaign_id))


EFFECT = Effect(read=_read, call=_call, record=_record)


def look_again(_: Slot) -> None:
    """Slot coupons.stocks: bindings that were not looked at for a while are, so that an approval or an end is seen."""
    moment = clock.now() - LOOK_EVERY
    for brand_id, campaign_id in queries.unsettled(CHUNK):
        checked = queries.binding(brand_id, campaign_id).checked_at
        if checked is None or checked <= moment:
            emit(BindingDue(brand_id=brand_id, campaign_id=campaign_id))


def _wish(brand_id: int, campaign_id: int, round_: int) -> StockWish:
    row, campaign = queries.binding(brand_id, campaign_id), coupon_queries.campaign(brand_id, campaign_id)
    terms = coupon_queries.version_terms(brand_id, campaign_id, row.version)
    account = org.account(brand_id, "miniprogram")
    return StockWish(
        request_no=f"stock-{campaign_id}-{round_}",
        campaign_code=campaign.code,
        name=campaign.name,
        offer=offer(terms),
        image_url=row.image_url,
        appid=account.namespace if account else "",
        terms=terms,
        most=queries.quota(campaign_id),
        own_codes=row.own_codes,
        now=row.bound_at,
    )
