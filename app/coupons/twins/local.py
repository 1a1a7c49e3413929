"""The channel with nothing outside: every step is true as soon as it is asked for. Campaigns without a binding use it
without knowing; bound to it, they go the whole way without an account anywhere.
"""

from __future__ import annotations

from datetime import datetime

from app.core import clock

from ..rules import KINDS
from . import rules
from .port import Capabilities, StockRef, StockState, StockWish, TwinRef
from .rules import Fact


class LocalChannel:
    name = rules.LOCAL
    capabilities = Capabilities(frozenset(KINDS), stocks=False, own_codes=True, hands_out=False)

    def create_stock(self, wish: StockWish) -> StockState:
        # Brands may have campaigns of one code; a request is of one binding.
        return StockState(StockRef(wish.campaign_code, wish.request_no), "sending", wish.most)

    def stock(self, ref: StockRef) -> StockState:
        return StockState(ref, "sending", None)

    def resize_stock(self, ref: StockRef, *, most_now: int, most: int, request_no: str) -> StockState:
        return StockState(ref, "sending", most)

    def end_stock(self, ref: StockRef, *, reason: str, request_no: str) -> StockState:
        return StockState(ref, "deactivated", None)

    def issue(self, twin: TwinRef, *, request_no: str) -> Fact:
        return Fact("effective", clock.now(), rules.SENT, external_code=twin.code)

    def confirm(self, twin: TwinRef, *, request_no: str) -> Fact:
        return Fact("effective", clock.now(), rules.CONFIRMED, external_code=twin.code)

    def use(self, twin: TwinRef, *, at: datetime, order_no: str, request_no: str) -> Fact:
        return Fact("used", clock.now(), rules.USED, twin.code, request_no, order_no)

    def give_back(self, twin: TwinRef, *, request_no: str) -> Fact:
        return Fact("effective", clock.now(), rules.RETURNED, external_code=twin.code)

    def deactivate(self, twin: TwinRef, *, reason: str, request_no: str) -> Fact:
        return Fact("deactivated", clock.now(), rules.OVER, external_code=twin.code)

    def look(self, twin: TwinRef) -> Fact:
        # Nothing is kept outside, so nothing can be news.
        return Fact("effective", datetime.min.replace(tzinfo=clock.now().tzinfo), 0, external_code=twin.code)

    def unconfirmed(self, stock: StockRef, *, appid: str, openid: str) -> list[Fact]:
        return []
