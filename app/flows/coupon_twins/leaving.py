"""Somebody was forgotten: what of theirs is still in a channel's wallet is withdrawn there, by a last message."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from app.core import crypto
from app.core.errors import SiyuError
from app.core.work import Effect
from app.coupons.twins import rules
from app.coupons.twins.erase import CONTEXT
from app.coupons.twins.errors import ChannelNotConfigured, ChannelRefused
from app.coupons.twins.events import TwinLeft
from app.coupons.twins.port import StockRef, TwinRef

from . import adapters
from .converge import REASON


@dataclass(frozen=True)
class Left:
    coupon_id: int
    channel: str
    twin: TwinRef


def _read(event: TwinLeft) -> Left:
    known = json.loads(crypto.decrypt(event.sealed, context=CONTEXT))
    stock = StockRef(known.pop("product_id"), known.pop("stock_id"))
    return Left(event.coupon_id, event.channel, TwinRef(stock, **known))


def _call(left: Left) -> None:
    twin, number = left.twin, rules.request_no("deactivate", left.coupon_id, None)
    try:
        channel = adapters.channel(left.channel)
        if twin.external_code is None:  # asked for, and never heard of: asking again finds it
            made = channel.issue(twin, request_no=rules.request_no("send", left.coupon_id, None))
            twin = replace(twin, external_code=made.external_code)
        channel.deactivate(twin, reason=REASON, request_no=number)
    except (ChannelRefused, ChannelNotConfigured):
        pass  # it ended there before; nobody can use it with us either way


def _record(left: Left, answer: SiyuError | None) -> None:
    if answer is not None:
        raise answer


EFFECT = Effect(read=_read, call=_call, record=_record)
