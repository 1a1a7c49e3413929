"""Coupons that members took in WeChat and nobody told us of: the night asks their wallets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from coupon_factories import terms
from invariants import broken
from merging import merge
from sqlalchemy import select, update
from twin_show import Show, slot, tonight

from app.core import clock, outbox
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.models import Coupon
from app.coupons.twins.models import CouponTwin
from app.coupons.twins.port import StockRef
from app.coupons.twins.rules import Fact
from app.flows.coupon_twins import nightly, wallets
from app.flows.coupon_twins.product_coupon import ProductCouponChannel
from workers import relay


class Killed(BaseException):
    pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The openids whose coupons WeChat Pay is asked for from now on, in their order."""
    heard: list[str] = []
    ask = ProductCouponChannel.unconfirmed

    def spy(self: ProductCouponChannel, stock: StockRef, *, appid: str, openid: str) -> list[Fact]:
        heard.append(openid)
        return ask(self, stock, appid=appid, openid=openid)

    monkeypatch.setattr(ProductCouponChannel, "unconfirmed", spy)
    return heard


def take(show: Show, campaign_id: int, openid: str) -> str:
    """A user takes a coupon in WeChat, and its notice is lost; the coupon's code there."""
    taken = show.pay.give(
        show.pay.only(), show.stock(campaign_id), appid=show.tencent.appid, openid=openid, code=None, request_no=None
    )
    show.tencent.waiting.clear()
    return str(taken["coupon_code"])


def states(show: Show) -> dict[str, str]:
    return {one.code: one.state for one in show.there.pay_coupons}


def rows(model: Any) -> list[Any]:
    session.remove()
    found = session.scalars(select(model).order_by(model.coupon_id)).all()
    session.remove()
    return list(found)


def runs() -> list[outbox.Outbox]:
    session.remove()
    found = session.scalars(select(outbox.Outbox).where(outbox.Outbox.name == "coupons.wallets_asked")).all()
    session.remove()
    return list(found)


def on_again(show: Show) -> None:
    """As if time had passed: leases have ended, and what failed is tried again."""
    past = clock.now() - timedelta(seconds=1)
    with transaction():
        session.execute(
            update(outbox.Delivery).where(outbox.Delivery.status == "running").values(lease_until=past)
        )
        session.execute(update(outbox.Delivery).where(outbox.Delivery.status == "due").values(due_at=past))
    relay.sweep()
    show.settle()


def test_what_a_member_took_and_nobody_told_is_found_at_night(show: Show, asked: list[str]) -> None:
    member_id, openid = show.person()
    campaign_id = show.bound(own_codes=False)
    code = take(show, campaign_id, openid)
    show.settle()
    assert states(show) == {code: "CONFIRMING"} and rows(Coupon) == []
    tonight(show)
    (mine,) = rows(Coupon)
    assert (mine.member_id, mine.source, mine.status) == (member_id, "self", "claimed")
    assert show.twin(mine).external_code == code and show.twin(mine).state == "effective"
    assert states(show) == {code: "EFFECTIVE"} and asked == [openid]
    tonight(show)
    assert [one.coupon_id for one in rows(Coupon)] == [mine.coupon_id] and len(rows(CouponTwin)) == 1
    assert states(show) == {code: "EFFECTIVE"} and asked == [openid] * 2
    assert show.conflicts() == [] and broken() == []


def test_nothing_runs_for_brands_whose_stocks_hand_out_nothing(show: Show, asked: list[str]) -> None:
    show.person()
    show.bound()
    revised = show.bound(own_codes=False)
    with transaction():
        coupons.revise(brand_id=show.brand_id, campaign_id=revised, terms=terms(amount_fen=2000))
    tonight(show)
    assert runs() == [] and asked == []


def test_a_run_that_is_killed_goes_on_where_it_was(
    show: Show, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallets, "CALLS", 2)
    campaign_id = show.bound(own_codes=False)
    people = [show.person() for _ in range(5)]
    codes = [take(show, campaign_id, openid) for _, openid in people]
    ask = ProductCouponChannel.unconfirmed

    def dying(self: ProductCouponChannel, stock: StockRef, *, appid: str, openid: str) -> list[Fact]:
        if openid == people[3][1]:
            raise Killed
        return ask(self, stock, appid=appid, openid=openid)

    asked.clear()
    with monkeypatch.context() as dies:
        dies.setattr(ProductCouponChannel, "unconfirmed", dying)
        with pytest.raises(Killed):
            tonight(show)
    session.remove()
    assert [one.member_id for one in rows(Coupon)] == [member_id for member_id, _ in people[:2]]
    on_again(show)
    assert sorted(one.member_id for one in rows(Coupon)) == [member_id for member_id, _ in people]
    openids = [openid for _, openid in people]
    assert asked == [*openids[:3], *openids[2:]]  # the chunk that was lost is asked again, and no other
    assert states(show) == dict.fromkeys(codes, "EFFECTIVE") and broken() == []


def test_a_busy_channel_is_left_alone_for_a_while(
    show: Show, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was asked before has theirs; the others follow later, and another night begins no second run meanwhile."""
    campaign_id = show.bound(own_codes=False)
    people = [show.person() for _ in range(3)]
    for _, openid in people:
        take(show, campaign_id, openid)
    asked.clear()
    ask = ProductCouponChannel.unconfirmed

    def slow(self: ProductCouponChannel, stock: StockRef, *, appid: str, openid: str) -> list[Fact]:
        if openid == people[1][1]:
            show.tencent.engine.faults.inject({"api": "pay/list", "http_status": 429, "count": 1})
        return ask(self, stock, appid=appid, openid=openid)

    openids = [openid for _, openid in people]
    with monkeypatch.context() as busy:
        busy.setattr(ProductCouponChannel, "unconfirmed", slow)
        tonight(show)
        assert asked == [openids[0], openids[1], openids[1]]
        assert [one.member_id for one in rows(Coupon)] == [people[0][0]]
        begun = len(runs())
        slot("coupons.twins_compare", nightly.begin)
        show.settle()
        assert len(asked) == 3 and len(runs()) == begun
    on_again(show)
    assert asked[3:] == openids[1:] and len(rows(Coupon)) == 3 and broken() == []


def test_a_wallet_that_cannot_be_read_holds_up_no_others(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = show.bound(own_codes=False)
    (_, odd), (member_id, openid) = show.person(), show.person()
    show.there.pay_coupons.rows[take(show, campaign_id, odd)].code = ""
    take(show, campaign_id, openid)
    tonight(show)
    assert [one.member_id for one in rows(Coupon)] == [member_id]


def test_each_wallet_of_a_member_is_asked(show: Show, asked: list[str]) -> None:
    """Of members who were merged, and for as many as they have."""
    campaign_id = show.bound(own_codes=False, per_member=9)
    (winner, first), (loser, second) = show.person(), show.person()
    merge(show.world, winner, loser)
    for openid in (first, second):
        take(show, campaign_id, openid)
    asked.clear()
    tonight(show)
    assert sorted(asked) == sorted([first, second])
    assert [one.member_id for one in rows(Coupon)] == [winner, winner]
    assert sorted(one.openid for one in rows(CouponTwin)) == sorted([first, second]) and broken() == []


def test_a_coupon_that_we_asked_for_is_not_taken_for_another(show: Show, asked: list[str]) -> None:
    """Its request was answered to nobody, and it waits in the wallet too."""
    member_id, openid = show.person()
    campaign_id = show.bound(own_codes=False, per_member=9)
    show.tencent.engine.faults.inject({"api": "pay/send", "html": True, "count": 3})
    mine = show.give(campaign_id, member_id)
    show.run_work()
    show.tencent.waiting.clear()
    assert show.twin(mine).state == "wanted" and list(states(show).values()) == ["CONFIRMING"]
    slot("coupons.twins_compare", nightly.begin)
    show.settle()
    assert asked == [openid]
    assert [one.coupon_id for one in rows(Coupon)] == [mine.coupon_id]
    assert show.theirs(mine).state == "EFFECTIVE" and broken() == []
