"""A coupon and its twin in WeChat Pay go the same way, whoever moves first, and contradictions come before a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from coupon_factories import body, post, till
from invariants import broken
from sqlalchemy import select, update
from twin_show import Show, phone_of, tonight

from app.core import clock, ids, outbox
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.models import Coupon, Redemption
from app.coupons.twins import queries, rules


def test_a_coupon_is_sent_confirmed_used_and_given_back_there_too(show: Show) -> None:
    member_id, openid = show.person()
    mine = show.give(show.bound(), member_id)
    show.settle()
    there = show.theirs(mine)
    assert (there.code, there.openid, there.state) == (mine.code, openid, "EFFECTIVE")
    done = show.redeem(mine)
    show.settle()
    assert (there.state, there.use_request_no) == ("USED", rules.use_ref(done.redemption_id))
    show.give_back(done.redemption_id)
    show.settle()
    assert there.state == "EFFECTIVE" and show.twin(mine).state == "effective"
    again = show.redeem(mine)
    show.settle()
    assert (there.state, there.use_request_no) == ("USED", rules.use_ref(again.redemption_id))
    assert show.conflicts() == [] and broken() == []


def test_the_whole_way_in_the_local_channel(show: Show) -> None:
    member_id, _ = show.person()
    mine = show.give(show.bound(channel=rules.LOCAL), member_id)
    show.settle()
    assert show.twin(mine).state == "effective"
    done = show.redeem(mine)
    show.settle()
    assert show.twin(mine).state == "used"
    show.give_back(done.redemption_id)
    show.settle()
    assert show.twin(mine).state == "effective"
    assert show.there.pay_coupons.rows == {} and broken() == []


def test_a_use_there_redeems_ours(show: Show) -> None:
    mine = show.given(kind="threshold", amount_fen=500, threshold_fen=3000)
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"))
    show.settle(times=3)
    assert show.ours(mine.coupon_id).status == "redeemed"
    row = session.scalars(select(Redemption)).one()
    assert (row.source, row.order_no, row.discount_fen, row.store_id) == ("channel", "WX-1", 500, show.world.store.id)
    show.pay.give_back(show.theirs(mine), show.elsewhere())
    show.settle(times=3)
    assert show.ours(mine.coupon_id).status == "returned" and show.theirs(mine).state == "EFFECTIVE"
    show.pay.use(show.theirs(mine), show.elsewhere("WX-2"))
    show.settle()
    assert show.ours(mine.coupon_id).status == "redeemed"
    assert [one.order_no for one in session.scalars(select(Redemption).order_by(Redemption.redemption_id))] == [
        "WX-1",
        "WX-2",
    ]
    session.remove()
    assert show.conflicts() == [] and broken() == []


def test_a_use_that_is_dated_before_what_we_know_redeems_ours_at_once(show: Show) -> None:
    """The system that used it sets its time, by a clock of its own; until the night ours could be used again."""
    mine = show.given()
    used_at = show.pay.time(show.there.now() - 120)
    show.pay.use(show.theirs(mine), show.elsewhere("SHOP-1", at=used_at))
    show.settle(times=2)
    assert show.twin(mine).state == "used" and show.ours(mine.coupon_id).status == "redeemed"
    assert show.conflicts() == [] and broken() == []


def test_a_refund_of_ours_takes_a_use_there_back(show: Show) -> None:
    mine = show.given()
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"))
    show.settle()
    show.give_back(session.scalars(select(Redemption.redemption_id)).one())
    show.settle()
    assert show.theirs(mine).state == "EFFECTIVE" and show.ours(mine.coupon_id).status == "returned"
    assert show.conflicts() == [] and broken() == []


def test_used_on_both_sides_is_laid_before_a_person_and_lost_by_nobody(show: Show) -> None:
    mine = show.given()
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"))
    done = show.redeem(mine, "TILL-1")
    show.settle(times=2)
    (found,) = show.conflicts()
    assert (found.kind, found.ours["order_no"], found.theirs["order_no"]) == ("used_twice", "TILL-1", "WX-1")
    assert found.ours["redemption_id"] == done.redemption_id
    assert show.ours(mine.coupon_id).status == "redeemed" and show.theirs(mine).state == "USED"
    tonight(show)
    assert len(show.conflicts()) == 1 and broken() == []


def test_a_use_there_that_cannot_be_priced_ends_ours_and_comes_before_a_person(show: Show) -> None:
    mine = show.given(kind="percent", percent_bp=2000, amount_fen=0)
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"))
    show.settle(times=2)
    assert show.ours(mine.coupon_id).status == "voided"
    (found,) = show.conflicts()
    assert (found.kind, found.theirs["refused"]) == ("used_not_redeemable", "unpriced")
    tonight(show)
    assert len(show.conflicts()) == 1 and broken() == []


def test_a_use_there_waits_while_an_unpaid_order_holds_ours(show: Show) -> None:
    mine = show.given()
    with transaction():
        coupons.lock(counter=till(show.world), member_id=mine.member_id, coupon_id=mine.coupon_id, order_no="O1")
    show.pay.use(show.theirs(mine), show.elsewhere("WX-1"))
    show.settle()
    assert show.ours(mine.coupon_id).status == "locked"
    waiting = session.scalars(select(outbox.Delivery).where(outbox.Delivery.last_error == "busy")).all()
    assert [one.status for one in waiting] == ["due"]
    with transaction():
        coupons.release(counter=till(show.world), member_id=mine.member_id, coupon_id=mine.coupon_id, order_no="O1")
        session.execute(update(outbox.Delivery).values(due_at=clock.now() - timedelta(seconds=1)))
    show.settle()
    assert show.ours(mine.coupon_id).status == "redeemed" and show.conflicts() == [] and broken() == []


def test_what_was_used_at_our_till_and_given_back_there_comes_before_a_person(show: Show) -> None:
    mine = show.given()
    show.redeem(mine)
    show.settle()
    show.pay.give_back(show.theirs(mine), show.elsewhere())
    show.settle()
    assert [one.kind for one in show.conflicts()] == ["returned_outside"]
    assert show.ours(mine.coupon_id).status == "redeemed" and show.theirs(mine).state == "EFFECTIVE"
    assert broken() == []


def test_what_was_withdrawn_there_comes_before_a_person(show: Show) -> None:
    mine = show.given()
    show.pay.deactivate(show.theirs(mine), show.elsewhere(), tell=True)
    show.settle()
    assert [one.kind for one in show.conflicts()] == ["withdrawn_outside"]
    assert show.ours(mine.coupon_id).status == "claimed" and broken() == []


def test_what_a_user_threw_away_there_stays_good_with_us(show: Show) -> None:
    mine = show.given()
    show.pay.delete(show.theirs(mine))
    tonight(show)
    assert show.twin(mine).state == "deleted" and show.ours(mine.coupon_id).status == "claimed"
    show.redeem(mine)
    show.settle()
    assert show.conflicts() == [] and broken() == []


def test_what_is_withdrawn_from_one_member_is_taken_away_there_too(show: Show) -> None:
    mine, other = show.given(), show.given()
    with transaction():
        campaign_id = coupons.void_one(
            brand_id=show.brand_id, member_id=mine.member_id, coupon_id=mine.coupon_id, cause="withdrawn"
        )
    show.settle()
    assert campaign_id == mine.campaign_id and show.ours(mine.coupon_id).status == "voided"
    assert show.theirs(mine).state == "DEACTIVATED" and show.theirs(other).state == "EFFECTIVE"
    assert show.conflicts() == [] and broken() == []


def test_the_night_repairs_what_nobody_told(show: Show) -> None:
    """Lost callbacks, lost deliveries, a coupon withdrawn by hand: all found by looking."""
    used_there, used_here, voided = show.given(), show.given(), show.given()
    show.pay.use(show.theirs(used_there), show.elsewhere("WX-1"), tell=False)
    show.redeem(used_here)
    with transaction():
        coupons.void_all(brand_id=show.brand_id, member_ids=[voided.member_id], cause="test")
        session.execute(update(outbox.Outbox).values(fanned_out_at=clock.now()))
    show.tencent.waiting.clear()
    tonight(show)
    assert show.ours(used_there.coupon_id).status == "redeemed"
    assert show.theirs(used_here).state == "USED"
    assert show.theirs(voided).state == "DEACTIVATED" and show.twin(voided).state == "deactivated"
    assert show.conflicts() == [] and broken() == []


def test_what_a_stock_refused_for_a_while_is_sent_at_night(show: Show) -> None:
    """It was paused there, or not yet as large as ours is now."""
    campaign_id = show.bound()
    show.pay.set_stock(show.stock(campaign_id), "PAUSED")
    mine, gone = (show.give(campaign_id, show.person()[0]) for _ in range(2))
    show.settle()
    assert show.twin(mine).state == "wanted" and show.twin(mine).last_error == "invalid_request"
    show.redeem(gone)
    tonight(show)
    assert show.twin(mine).state == "wanted" and show.twin(gone).state == "refused"
    show.pay.set_stock(show.stock(campaign_id), "SENDING")
    tonight(show)
    assert show.twin(mine).state == "effective" and show.theirs(mine).state == "EFFECTIVE"
    assert show.conflicts() == [] and broken() == []


def test_a_user_takes_a_coupon_in_wechat_and_has_ours(show: Show) -> None:
    member_id, openid = show.person()
    campaign_id = show.bound(own_codes=False)
    stock = show.stock(campaign_id)
    brand = show.pay.only()
    taken = show.pay.give(brand, stock, appid=show.tencent.appid, openid=openid, code=None, request_no=None)
    show.settle(times=3)
    mine = session.scalars(select(Coupon)).one()
    session.remove()
    assert (mine.member_id, mine.source, mine.status) == (member_id, "self", "claimed")
    assert show.theirs(mine).state == "EFFECTIVE" and show.twin(mine).external_code == taken["coupon_code"]
    shown = body(taken["coupon_code"], "TILL-1")
    assert post(show.tencent.client, show.world, "redemptions/validate", shown).json["usable"]
    done = post(show.tencent.client, show.world, "redemptions", shown, idempotency_key="wallet-0001")
    assert done.status_code == 200 and done.json["coupon"]["id"] == ids.encode("cpn", mine.coupon_id)
    order = {name: value for name, value in shown.items() if name != "code"} | {"codes": [shown["code"]]}
    told = post(show.tencent.client, show.world, "order-coupons/validate", order).json["coupons"]
    assert (told[0]["code"], told[0]["reason"]["code"]) == (taken["coupon_code"], "coupon_redeemed")
    unknown = post(show.tencent.client, show.world, "redemptions/validate", body("WNOBODYSCODE0001", "TILL-2"))
    assert unknown.status_code == 404
    show.settle()
    assert show.theirs(mine).state == "USED" and broken() == []


def test_a_stranger_takes_a_coupon_in_wechat_and_finds_it_as_a_member(show: Show) -> None:
    campaign_id = show.bound(own_codes=False)
    openid = show.openid("stranger")
    show.pay.give(
        show.pay.only(), show.stock(campaign_id), appid=show.tencent.appid, openid=openid, code=None, request_no=None
    )
    show.settle()
    assert session.scalars(select(Coupon)).all() == []
    session.remove()
    phone = phone_of(show, "stranger")
    assert phone.login().status_code == 200 and phone.bind().status_code == 200
    show.settle()
    mine = session.scalars(select(Coupon)).one()
    session.remove()
    assert show.theirs(mine).state == "EFFECTIVE" and broken() == []


def test_what_our_stock_or_limit_refuses_stays_unconfirmed_there(show: Show) -> None:
    member_id, openid = show.person()
    campaign_id = show.bound(own_codes=False, per_member=1)
    show.give(campaign_id, member_id)
    show.settle()
    stock = show.stock(campaign_id)
    stock.most_per_user = 5
    taken = show.pay.give(
        show.pay.only(), stock, appid=show.tencent.appid, openid=openid, code=None, request_no=None
    )
    show.settle()
    assert show.there.pay_coupons.rows[taken["coupon_code"]].state == "CONFIRMING"
    with transaction():
        assert queries.binding(show.brand_id, campaign_id).last_error == "limit_reached"
    assert broken() == []


def test_older_news_changes_nothing_in_any_order(show: Show) -> None:
    """Every notice of a long life, thrice and backwards, ends where the last one left it."""
    mine = show.given()
    there = show.theirs(mine)
    start = there.received
    for number in range(3):
        show.tencent.engine.world.advance(60)
        show.pay.use(there, show.elsewhere(f"WX-{number}"))
        show.tencent.engine.world.advance(60)
        show.pay.give_back(there, show.elsewhere())
    heard, show.tencent.waiting = list(show.tencent.waiting), []
    for receiver, fields in [*reversed(heard), *heard, *heard[::2]]:
        assert show.tencent.post(receiver, fields) == 204
        show.run_work()
    show.settle()
    assert there.received == start
    twin = show.twin(mine)
    assert (twin.state, twin.fact_rank) == ("effective", rules.RETURNED)
    assert show.ours(mine.coupon_id).status in ("claimed", "returned")
    tonight(show)
    assert show.twin(mine).state == "effective" and show.conflicts() == [] and broken() == []


def test_uses_and_returns_of_one_second_end_where_the_last_one_left_them(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages carry whole seconds; what they leave open WeChat Pay is asked about."""
    mine = show.given()
    there = show.theirs(mine)
    moment = show.there.now() + 5
    monkeypatch.setattr(show.there, "now", lambda: moment)
    show.pay.use(there, show.elsewhere("WX-1"))
    show.settle()
    show.pay.give_back(there, show.elsewhere())
    show.settle()
    assert show.ours(mine.coupon_id).status == "returned"
    show.pay.use(there, show.elsewhere("WX-2"))
    heard = list(show.tencent.waiting)
    show.settle(times=3)
    assert (show.twin(mine).state, show.twin(mine).order_no) == ("used", "WX-2")
    assert show.ours(mine.coupon_id).status == "redeemed"
    show.pay.give_back(there, show.elsewhere())
    heard += list(show.tencent.waiting)
    show.settle()
    for receiver, fields in reversed(heard):
        assert show.tencent.post(receiver, fields) == 204
    tonight(show)
    assert show.twin(mine).state == "effective" and show.ours(mine.coupon_id).status == "returned"
    assert show.conflicts() == [] and broken() == []


def test_a_use_that_names_no_request_is_asked_about_and_counts(show: Show) -> None:
    mine = show.given()
    there = show.theirs(mine)
    show.pay.use(there, show.elsewhere("WX-1"))
    show.settle()
    show.give_back(session.scalars(select(Redemption.redemption_id)).one())
    show.settle()
    show.tencent.engine.world.advance(60)
    show.pay.use(there, show.elsewhere("WX-2"))
    for _, fields in show.tencent.waiting:
        fields["resource"]["single_usage_detail"].pop("use_request_no")
    there.use_request_no = None
    show.settle(times=2)
    assert (show.ours(mine.coupon_id).status, there.state) == ("redeemed", "USED")
    assert show.conflicts() == [] and broken() == []


def test_a_notice_that_comes_before_our_own_answer_finds_the_twin(show: Show) -> None:
    """The answer to the first request is lost after WeChat Pay made the coupon, and its notice is faster."""
    member_id, _ = show.person()
    campaign_id = show.bound()
    show.tencent.engine.faults.inject({"api": "pay/send", "html": True, "count": 3})
    mine = show.give(campaign_id, member_id)
    show.run_work()
    assert show.twin(mine).state == "wanted" and len(show.there.pay_coupons.rows) == 1
    show.settle()
    assert show.theirs(mine).state == "EFFECTIVE"
    with transaction():
        session.execute(update(outbox.Delivery).values(due_at=clock.now() - timedelta(seconds=1)))
    show.settle()
    assert len(show.there.pay_coupons.rows) == 1 and broken() == []


@pytest.mark.parametrize("fault", [{"html": True}, {"drop": True}, {"http_status": 500}, {"http_status": 429}])
@pytest.mark.parametrize("step", ["send", "confirm", "use"])
def test_each_step_survives_what_the_net_does(show: Show, step: str, fault: dict[str, Any]) -> None:
    member_id, _ = show.person()
    campaign_id = show.bound()
    show.tencent.engine.faults.inject({"api": f"pay/{step}", "count": 4, **fault})
    mine = show.give(campaign_id, member_id)
    expected = "USED" if step == "use" else "EFFECTIVE"
    for _ in range(6):
        show.settle()
        if show.twin(mine).external_code is not None and show.theirs(mine).state == expected:
            break
        with transaction():
            session.execute(
                update(outbox.Delivery)
                .where(outbox.Delivery.status == "due")
                .values(due_at=clock.now() - timedelta(seconds=1))
            )
        if step == "use" and show.ours(mine.coupon_id).status == "claimed" and show.twin(mine).state == "effective":
            show.redeem(mine)
    assert show.theirs(mine).state == expected
    assert len(show.there.pay_coupons.rows) == 1 and show.conflicts() == [] and broken() == []


def test_what_the_channel_refuses_for_good_comes_before_a_person_and_heals(show: Show) -> None:
    mine = show.given()
    show.redeem(mine)
    show.theirs(mine).state = "PENDING"
    show.settle()
    assert [one.kind for one in show.conflicts()] == ["refused_use"]
    show.theirs(mine).state = "EFFECTIVE"
    tonight(show)
    (found,) = show.conflicts()
    assert show.theirs(mine).state == "USED" and found.closed_by == "system" and broken() == []
