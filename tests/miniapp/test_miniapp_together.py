"""Before paying: what several coupons take off together, as the till says it, in what order and why."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon, fresh, post
from factories import World, make_world
from mini_cart import Shopper
from statements import statements

from app.core import ids
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import Coupon

LINES = [
    {"line_no": 1, "sku": "SKU-1", "category": "shoes", "quantity": 1, "amount_fen": 4000},
    {"line_no": 2, "sku": "MUG", "category": "mugs", "quantity": 2, "amount_fen": 1001},
    {"line_no": 3, "sku": "POST", "category": "shipping", "quantity": 1, "amount_fen": 800},
]


@pytest.fixture
def here(app: Any) -> World:
    return make_world()


@pytest.fixture
def shopper(client: Any, here: World) -> Shopper:
    return Shopper(client, here)


def own(shopper: Shopper, campaign_id: int | None = None, **values: Any) -> Coupon:
    return coupon(shopper.world, campaign_id, member_id=shopper.member_id, **values)


def public(one: Coupon) -> str:
    return ids.encode("cpn", one.coupon_id)


def together(shopper: Shopper, *coupons: Coupon, **more: Any) -> Any:
    body = {"coupons": [public(one) for one in coupons], "lines": LINES, "store": "S001"} | more
    return shopper.post("coupons/together", body)


def validate(shopper: Shopper, *coupons: Coupon, **more: Any) -> Any:
    """What the mall's till is told of the same coupons and order."""
    body = {"codes": [one.code for one in coupons], "lines": LINES, "store": "S001", "order_no": "M-1"} | more
    answer = post(shopper.client, shopper.world, "order-coupons/validate", body | {"channel": "mall"})
    assert answer.status_code == 200, answer.json
    return answer.json


def many(shopper: Shopper) -> list[Coupon]:
    """Coupons of every kind, some of which stand against others, are over, spent or for another place."""
    world = shopper.world
    spent = campaign(world, kind="percent", percent_bp=5000, stack_group="spent", budget_fen=100)
    stopped = campaign(world, stack_group="stopped")
    paused = own(shopper, stopped)
    with transaction():
        commands.set_status(brand_id=world.brand_id, campaign_id=stopped, status="paused")
    return [
        own(shopper, kind="shipping", amount_fen=0, stack_group="post"),
        own(shopper, kind="percent", percent_bp=1111, stack_group="percent"),
        own(shopper, kind="threshold", amount_fen=700, threshold_fen=5001, stack_group="full"),
        own(shopper, kind="threshold", amount_fen=900, threshold_fen=5001, stack_group="full", valid_days=9),
        own(shopper, kind="gift", gift_skus=frozenset({"MUG"}), stack_group="gift"),
        own(shopper, amount_fen=333, stack_group="cash"),
        own(shopper, amount_fen=5000, stack_group=""),
        own(shopper, stack_group="till", channels=frozenset({"till"})),
        own(shopper, stack_group="there", store_ids=frozenset({world.stores[1].id})),
        own(shopper, stack_group="later", wait_days=2),
        own(shopper, spent),
        paused,
    ]


def same(mine: Any, tills: Any, *coupons: Coupon) -> None:
    """Two answers of the same coupons and order, one to the shopper and one to the till."""
    by_id = {one["id"]: one for one in mine["items"]}
    for one, told in zip(coupons, tills["coupons"], strict=True):
        item = by_id[public(one)]
        assert item["position"] == told["position"] and item["discount_fen"] == told["discount_fen"]
        assert item["lines"] == told["lines"]
        assert (item["why"] and item["why"]["code"]) == (told["reason"] and told["reason"]["code"])
    assert mine["discount_fen"] == tills["discount_fen"]
    off = [(line["line_no"], line["discount_fen"]) for line in mine["lines"] if line["discount_fen"]]
    assert off == [(line["line_no"], line["discount_fen"]) for line in tills["lines"]]


def test_the_shopper_is_told_what_the_till_is_told(shopper: Shopper) -> None:
    coupons = many(shopper)[:10]  # as many as a till takes for one order
    mine = together(shopper, *coupons)
    assert mine.status_code == 200, mine.json
    same(mine.json, validate(shopper, *coupons), *coupons)
    taken = [one for one in mine.json["items"] if one["position"]]
    assert [one["position"] for one in mine.json["items"]] == [1, 2, 3, 4, 5, 0, 0, 0, 0, 0]
    assert [one["kind"] for one in taken] == ["gift", "threshold", "amount", "percent", "shipping"]
    assert mine.json["order_words"] == [one["why_here"] for one in taken] == [
        "第1张：兑换券先抵扣，抵一件礼品",
        "第2张：满减券在兑换券之后抵扣，门槛按用券前的商品金额判断",
        "第3张：代金券在满减券之后抵扣",
        "第4张：折扣券在代金券之后抵扣，按前面抵扣后的金额打折",
        "第5张：运费券在折扣券之后抵扣，只抵运费",
    ]
    why = {one["id"]: one["why_here"] for one in mine.json["items"]}
    assert [why[public(coupons[number])] for number in (3, 6, 7, 8)] == [
        "与第2张券同组，每单限用1张",
        "此券不可与其他券同用",
        "仅限门店收银机使用",
        "仅限二号店使用",
    ]
    assert all(one["why"]["words"] == one["why_here"] for one in mine.json["items"] if one["why"])
    assert (mine.json["total_fen"], mine.json["used_fen"]) == (5801, 0)
    assert mine.json["payable_fen"] == 5801 - mine.json["discount_fen"]
    assert sum(line["payable_fen"] for line in mine.json["lines"]) == mine.json["payable_fen"]


def test_the_rest_too(shopper: Shopper) -> None:
    coupons = many(shopper)
    chosen = [coupons[10], coupons[11], coupons[9], coupons[1]]  # a budget that is spent, paused, not yet, and good
    mine = together(shopper, *chosen).json
    same(mine, validate(shopper, *chosen), *chosen)
    assert {one["why"]["code"] for one in mine["items"] if one["why"]} == {
        "budget_spent",
        "campaign_paused",
        "coupon_not_yet_valid",
    }


def test_however_they_are_told_the_answer_is_the_same(shopper: Shopper) -> None:
    coupons = many(shopper)
    first = together(shopper, *coupons).json
    assert together(shopper, *reversed(coupons)).json == first
    few = coupons[1:5]
    assert {str(together(shopper, *order).json) for order in permutations(few)} == {
        str(together(shopper, *few).json)
    }


def test_nothing_is_changed(shopper: Shopper) -> None:
    coupons = many(shopper)
    together(shopper, *coupons)
    with statements() as sent:
        assert together(shopper, *coupons, order_no="M-1").status_code == 200
    assert not [one for one in sent if not one.startswith("SELECT")]
    assert {fresh(shopper.world, one.member_id, one.coupon_id).status for one in coupons} == {"claimed"}


def redeemed(here: World, shopper: Shopper, used: Coupon, key: str) -> None:
    """The coupon is used in the mall for the order M-1."""
    body = {"codes": [used.code], "lines": LINES, "store": "S001", "order_no": "M-1", "channel": "mall"}
    answer = post(shopper.client, here, "order-coupons/redeem", body, idempotency_key=key)
    assert answer.status_code == 200, answer.json


def test_what_was_used_on_the_order_before_counts(here: World, shopper: Shopper) -> None:
    used, rest = own(shopper, amount_fen=1000, stack_group="cash"), many(shopper)[:6]
    redeemed(here, shopper, used, "used-before-1")
    mine = together(shopper, *rest, order_no="M-1").json
    same(mine, validate(shopper, *rest), *rest)
    assert (mine["total_fen"], mine["used_fen"]) == (5801, 1000)
    assert mine["payable_fen"] == 4801 - mine["discount_fen"]
    why = {one["id"]: one["why_here"] for one in mine["items"]}
    assert why[public(rest[5])] == "不能与本单已用的券同时使用"
    assert mine["order_words"][0] == "第1张：兑换券接在本单已用的券之后抵扣，抵一件礼品"
    assert together(shopper, *rest, order_no="M-2").json["used_fen"] == 0


def test_the_order_of_others_stays_theirs(here: World, shopper: Shopper) -> None:
    """Its number tells nobody what was taken off it."""
    mine = own(shopper, amount_fen=333, stack_group="cash")
    redeemed(here, shopper, coupon(here, stack_group="cash"), "theirs-0001")
    told = together(shopper, mine, order_no="M-1").json
    assert (told["used_fen"], told["discount_fen"]) == (0, 333)


def test_an_order_that_holds_a_coupon_may_use_it_when_its_hours_are_over(here: World, shopper: Shopper) -> None:
    noon = datetime(2027, 3, 2, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
    with time_machine.travel(noon, tick=False):
        one = own(shopper, hours=(("11:30", "12:30"),), valid_days=30)
        body = {"codes": [one.code], "lines": LINES, "store": "S001", "order_no": "M-1", "channel": "mall"}
        held = post(shopper.client, here, "order-coupons/lock", body | {"minutes": 60})
        assert held.status_code == 200, held.json
    with time_machine.travel(noon.replace(minute=40), tick=False):
        same(together(shopper, one, order_no="M-1").json, validate(shopper, one), one)
        for store in ("S001", None):  # who does not name the store means the order of this number
            assert together(shopper, one, order_no="M-1", store=store).json["discount_fen"] == 500
            told = shopper.post("coupons/usable", {"lines": LINES, "order_no": "M-1", "store": store}).json
            assert told["best"] == public(one) and told["best_together"]["coupons"] == [public(one)]
        assert together(shopper, one, order_no="M-2").json["items"][0]["why"]["code"] == "coupon_locked"


def test_others_coupons_and_doubled_ones_are_refused(here: World, shopper: Shopper) -> None:
    mine, theirs = own(shopper), coupon(here)
    elsewhere = coupon(make_world(), member_id=shopper.member_id)
    for other in (theirs, elsewhere):
        answer = together(shopper, mine, other)
        assert (answer.status_code, answer.json["code"]) == (404, "coupon_unknown")
    for wrong in ("cpn_000000000000", "mbr_0000000000005", "券"):
        answer = shopper.post("coupons/together", {"coupons": [wrong], "lines": LINES})
        assert (answer.status_code, answer.json["code"]) == (404, "coupon_unknown")
    answer = together(shopper, mine, mine)
    assert (answer.status_code, answer.json["code"]) == (422, "coupon_twice")
    assert answer.json["data"]["words"] == "同一张券录入了两次"
    for told in ([], [public(mine)] * 21):
        answer = shopper.post("coupons/together", {"coupons": told, "lines": LINES})
        assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert together(shopper, mine, store="S404").json["code"] == "store_unknown"
    assert together(shopper, mine, lines=LINES[:1] * 2).json["code"] == "line_number_twice"


def test_a_best_combination_is_proposed_and_is_what_together_answers(shopper: Shopper) -> None:
    coupons = many(shopper)
    told = shopper.post("coupons/usable", {"lines": LINES, "store": "S001"}).json
    best = told["best_together"]
    by_id = {public(one): one for one in coupons}
    assert told["best"] == public(coupons[6])  # 50 yuan, alone
    assert len(best["coupons"]) == 1 and best["discount_fen"] == 5000 and best["payable_fen"] == 801
    with transaction():
        commands.set_status(brand_id=shopper.world.brand_id, campaign_id=coupons[6].campaign_id, status="paused")
    best = shopper.post("coupons/usable", {"lines": LINES, "store": "S001"}).json["best_together"]
    chosen = [by_id[one] for one in best["coupons"]]
    assert {one.coupon_id for one in chosen} == {coupons[number].coupon_id for number in (0, 1, 3, 4, 5)}
    for order in (chosen, chosen[::-1]):
        answer = together(shopper, *order).json
        assert [one["id"] for one in answer["items"]] == best["coupons"]
        assert {name: answer[name] for name in ("discount_fen", "payable_fen", "order_words")} == {
            name: best[name] for name in ("discount_fen", "payable_fen", "order_words")
        }
    assert shopper.usable(0).json["best_together"] is None
