"""What a coupon channel can do. The flows bring the adapters; `local` is the one with nothing outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from ..rules import Terms
from .rules import Fact


class Capabilities(NamedTuple):
    """`kinds` of coupons it can show; `stocks`: it has stocks of its own to create, resize and end; `own_codes`: it
    takes our codes; `hands_out`: users may take coupons there, and we hear of it.
    """

    kinds: frozenset[str]
    stocks: bool
    own_codes: bool
    hands_out: bool


class StockRef(NamedTuple):
    """A stock in a channel, and what it belongs to there."""

    product_id: str
    stock_id: str


class StockState(NamedTuple):
    """`state` as in rules.BINDING_STATES; `most`: how many coupons it may give out, where that is told."""

    ref: StockRef
    state: str
    most: int | None


@dataclass(frozen=True)
class StockWish:
    """The stock a campaign wants; amounts and limits are those of its terms. `most`: coupons in all."""

    request_no: str
    campaign_code: str
    name: str
    offer: str
    image_url: str
    appid: str
    terms: Terms
    most: int
    own_codes: bool
    now: datetime


@dataclass(frozen=True)
class TwinRef:
    """Whose coupon a step is about. `code`: ours; `external_code`: the channel's, once there is one."""

    stock: StockRef
    appid: str
    openid: str = field(repr=False)
    code: str = field(repr=False)
    external_code: str | None = field(default=None, repr=False)
    own_codes: bool = True


class CouponChannel(Protocol):
    """Each call happens once under its `request_no`, so it may be repeated when nobody knows how it ended.

    Raises ChannelRefused when repeating will not help, and what core calls Retryable when nothing happened.
    """

    name: str
    capabilities: Capabilities

    def create_stock(self, wish: StockWish) -> StockState: ...

    def stock(self, ref: StockRef) -> StockState: ...

    def resize_stock(self, ref: StockRef, *, most_now: int, most: int, request_no: str) -> StockState: ...

    def end_stock(self, ref: StockRef, *, reason: str, request_no: str) -> StockState: ...

    def issue(self, twin: TwinRef, *, request_no: str) -> Fact: ...

    def confirm(self, twin: TwinRef, *, request_no: str) -> Fact: ...

    def use(self, twin: TwinRef, *, at: datetime, order_no: str, request_no: str) -> Fact: ...

    def give_back(self, twin: TwinRef, *, request_no: str) -> Fact: ...

    def deactivate(self, twin: TwinRef, *, reason: str, request_no: str) -> Fact: ...

    def look(self, twin: TwinRef) -> Fact: ...

    def unconfirmed(self, stock: StockRef, *, appid: str, openid: str) -> list[Fact]:
        """What a user took there and we have not confirmed, where the channel hands coupons out itself."""
        ...
