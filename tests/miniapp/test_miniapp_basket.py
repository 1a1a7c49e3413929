"""Before paying: which coupons fit the cart, best first, and the wallet's headings, counts and words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon, redeem, till
from factories import World, make_world
from mini_cart import API, Shopper
from statements import statements

from app.core import clock, ids
from app.core.transaction import transaction
from app.coupons import commands


@pytest.fixture
def here(app: Any) -> World:
    return make_world()


@pytest.fixture
def shopper(client: Any, here: World) -> Shopper:
    return Shopper(client, here)


def test_the_best_coupon_comes_first_and_the_others_say_why_not(here: World, shopper: Shopper) -> None:
    small = shopper.coupon(amount_fen=500)
    tenth = shopper.coupon(kind="percent", percent_bp=1000)
    short = shopper.coupon(kind="threshold", amount_fen=5000, threshold_fen=11200)
    shorter = shopper.coupon(kind="threshold", amount_fen=900, threshold_fen=20000)
    gift = shopper.coupon(kind="gift", gift_skus=frozenset({"G-1"}))
    elsewhere = shopper.coupon(store_ids=frozenset({here.stores[1].id}))
    answer = shopper.usable(6000, 4000, store="S001")
    assert answer.status_code == 200, answer.json
    told = {one["id"]: one for one in answer.json["items"]}
    assert list(told)[:4] == [tenth, small, short, shorter]
    assert answer.json["best"] == tenth and answer.json["total_fen"] == 10000
    assert told[tenth]["discount_fen"] == 1000 and told[tenth]["why"] is None
    assert told[tenth]["lines"] == [{"line_no": 1, "discount_fen": 600}, {"line_no": 2, "discount_fen": 400}]
    assert told[short]["why"]["words"] == "还差¥12.00，满¥112可用" and told[short]["why"]["data"]["short_fen"] == 1200
    assert told[gift]["why"]["words"] == "订单中没有可兑换的商品，兑换商品：G-1"
    assert told[elsewhere]["why"] == {"code": "coupon_wrong_store", "words": "仅限二号店使用", "data": {}}
    assert told[elsewhere]["conditions"] == ["仅限二号店使用", "不可与其他券同用"]
    assert not told[short]["usable"] and told[short]["discount_fen"] == 0
    assert shopper.usable(6000, 4000, store="S002").json["items"][1]["id"] in (small, elsewhere)


def test_equal_discounts_are_told_in_one_order(here: World, shopper: Shopper) -> None:
    later = shopper.coupon(valid_days=9)
    sooner = shopper.coupon(valid_days=2)
    first = shopper.coupon(valid_days=9)
    expected = [sooner, later, first]
    for _ in range(3):
        assert [one["id"] for one in shopper.usable(9900).json["items"]] == expected


def test_what_no_order_may_use_now_says_so(here: World, shopper: Shopper) -> None:
    waiting = shopper.coupon(wait_days=2)
    stopped = campaign(here)
    paused = ids.encode("cpn", coupon(here, stopped, member_id=shopper.member_id).coupon_id)
    with transaction():
        commands.set_status(brand_id=here.brand_id, campaign_id=stopped, status="paused")
    held = coupon(here, member_id=shopper.member_id)
    in_mall = till(here)._replace(channel="mall", source="mall")
    with transaction():
        commands.lock(counter=in_mall, member_id=shopper.member_id, coupon_id=held.coupon_id, order_no="M-7")
    mine = ids.encode("cpn", held.coupon_id)
    told = {one["id"]: one for one in shopper.usable(9900).json["items"]}
    assert told[waiting]["why"]["code"] == "coupon_not_yet_valid" and told[waiting]["expiry"].endswith("起可用")
    assert told[paused]["why"]["words"] == "活动已暂停，恢复后可用"
    assert told[mine]["why"]["code"] == "coupon_locked"
    wallet = {one["id"]: one for one in shopper.get("coupons").json["items"]}
    assert {key: one["why"] for key, one in wallet.items()} == {key: one["why"] for key, one in told.items()}
    # The order that holds it may use it.
    assert shopper.usable(9900, order_no="M-7").json["best"] == mine


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"store": "S404"}, 404, "store_unknown"),
        ({"lines": []}, 422, "invalid"),
        ({"lines": [{"line_no": 1, "sku": "A", "quantity": 1, "amount_fen": 1}] * 2}, 422, "line_number_twice"),
        ({"lines": [{"line_no": 1, "sku": "A", "quantity": 1, "amount_fen": -1}]}, 422, "invalid"),
        ({"lines": [{"line_no": 1, "sku": "A", "quantity": 0, "amount_fen": 1}]}, 422, "invalid"),
    ],
)
def test_a_wrong_basket_is_refused(shopper: Shopper, change: dict[str, Any], status: int, code: str) -> None:
    answer = shopper.usable(100, **change)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_headings_counts_and_days_left(here: World, shopper: Shopper) -> None:
    tomorrow = shopper.coupon(valid_days=2)
    today = shopper.coupon(valid_days=1)
    waiting = shopper.coupon(wait_days=3)
    long = shopper.coupon(valid_days=30)
    redeem(here, coupon(here, member_id=shopper.member_id).code)
    first = shopper.get("coupons").json
    assert first["counts"] == {"usable": 4, "ending": 2, "upcoming": 1, "redeemed": 1, "expired": 0, "voided": 0}
    ending = shopper.get("coupons?status=ending").json["items"]
    assert [(one["id"], one["days_left"], one["expiry"]) for one in ending] == [
        (today, 0, "今天到期"),
        (tomorrow, 1, "明天到期"),
    ]
    page = shopper.get("coupons?status=ending&limit=1").json
    after = shopper.get(f"coupons?status=ending&limit=1&cursor={page['next_cursor']}").json
    assert [one["id"] for one in (*page["items"], *after["items"])] == [today, tomorrow]
    assert after["counts"] is None and after["next_cursor"] is None
    assert [one["id"] for one in shopper.get("coupons?status=upcoming").json["items"]] == [waiting]
    assert shopper.get("coupons?status=usable").json["items"][0]["id"] == long
    with time_machine.travel(clock.now() + timedelta(days=2), tick=False):
        later = shopper.get("coupons?status=expired").json
        assert later["counts"]["expired"] == 2
        assert {one["why"]["code"] for one in later["items"]} == {"coupon_expired"}
        assert {one["expiry"] for one in later["items"]} == {"已过期"}


def test_refused_claims_bring_their_words(here: World, shopper: Shopper) -> None:
    one = campaign(here, quota=1)
    coupon(here, one)
    answer = shopper.client.post(
        f"{API}/campaigns/{ids.encode('cmp', one)}/claim", headers=shopper.headers | {"Idempotency-Key": "claim-0001"}
    )
    assert (answer.status_code, answer.json["data"]["words"]) == (409, "券已领完")
    (offer,) = shopper.get("campaigns").json["items"]
    assert offer["conditions"] == ["不可与其他券同用", "每人限领1张", "领取后7天内有效"]


def test_many_coupons_cost_no_more_statements(here: World, shopper: Shopper) -> None:
    def cost() -> int:
        with statements() as sent:
            assert shopper.usable(9900, store="S001").status_code == 200
        return len(sent)

    shopper.coupon(store_ids=frozenset({here.store.id}))
    shopper.usable(9900)
    few = cost()
    for _ in range(10):
        shopper.coupon(store_ids=frozenset({here.store.id}))
    shopper.usable(9900)  # terms are kept in memory after the first time
    assert cost() == few
