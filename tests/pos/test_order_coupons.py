"""Several coupons on one order, refunds by line and what a till took offline, over the till's API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from coupon_factories import BASKET, body, campaign, coupon, fresh, post, redeem
from factories import World, make_world
from flask import current_app
from flask.testing import FlaskClient
from invariants import broken

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.models import OfflineQuota, OrderDiscount, Redemption
from app.flows import coupon_limits

LINES = [
    {"line_no": 1, "sku": "SKU-1", "category": "shoes", "quantity": 1, "amount_fen": 2000},
    {"line_no": 2, "sku": "SKU-2", "category": "socks", "quantity": 2, "amount_fen": 1000},
]


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def asked(*codes: str, order_no: str = "O1", **more: Any) -> dict[str, Any]:
    return {"codes": list(codes), "order_no": order_no, "store": "S001", "lines": LINES, **more}


def pair(world: World) -> tuple[Any, Any]:
    """A threshold coupon and a percentage that go together."""
    first = campaign(world, kind="threshold", amount_fen=500, threshold_fen=3000, stack_group="full")
    second = campaign(world, kind="percent", percent_bp=1000, stack_group="percent", amount_fen=0)
    return coupon(world, first), coupon(world, second)


def test_coupons_take_off_in_one_order_however_they_are_told(client: FlaskClient, world: World) -> None:
    threshold, percent = pair(world)
    for shown in ((threshold.code, percent.code), (percent.code, threshold.code)):
        told = post(client, world, "order-coupons/validate", asked(*shown)).json
        by_code = {one["code"]: one for one in told["coupons"]}
        assert [one["code"] for one in told["coupons"]] == list(shown)
        assert (by_code[threshold.code]["position"], by_code[threshold.code]["discount_fen"]) == (1, 500)
        # A tenth of the 25 yuan that are left.
        assert (by_code[percent.code]["position"], by_code[percent.code]["discount_fen"]) == (2, 250)
        assert told["discount_fen"] == 750 == sum(line["discount_fen"] for line in told["lines"])


def test_a_coupon_that_cannot_join_says_why_and_takes_off_nothing(client: FlaskClient, world: World) -> None:
    threshold, percent = pair(world)
    alone = coupon(world, amount_fen=100)
    told = post(client, world, "order-coupons/validate", asked(threshold.code, alone.code, percent.code)).json
    assert [one["reason"] and one["reason"]["code"] for one in told["coupons"]] == [None, "coupon_not_stackable", None]
    reason = told["coupons"][1]["reason"]
    assert (reason["words"], reason["data"]) == ("不能与本单已用的券同时使用", {"group": ""})
    assert told["discount_fen"] == 750
    refused = post(
        client, world, "order-coupons/redeem", asked(threshold.code, alone.code), idempotency_key="order-0001"
    )
    assert (refused.status_code, refused.json["code"]) == (409, "coupon_not_stackable")
    assert refused.json["data"]["words"] == reason["words"]
    assert fresh(world, threshold.member_id, threshold.coupon_id).status == "claimed"


def test_an_order_of_the_mall_lets_go_what_it_holds_and_no_till_does(client: FlaskClient, world: World) -> None:
    mine = coupon(world)
    in_mall = {"channel": "mall"}
    assert post(client, world, "order-coupons/lock", asked(mine.code) | in_mall).status_code == 200
    release = {"codes": [mine.code], "order_no": "O1", "store": "S001"}
    assert post(client, world, "order-coupons/release", release).json["code"] == "not_held"
    assert post(client, world, "order-coupons/release", release | in_mall).json["released"] == 1
    assert post(client, world, "order-coupons/lock", asked(mine.code, order_no="O2")).status_code == 200


def test_all_are_redeemed_at_once_and_once(client: FlaskClient, world: World) -> None:
    threshold, percent = pair(world)
    body = asked(percent.code, threshold.code)
    first, again = (post(client, world, "order-coupons/redeem", body, idempotency_key="order-0002") for _ in range(2))
    assert first.status_code == 200 and first.json == again.json
    assert [one["discount_fen"] for one in first.json["redemptions"]] == [500, 250]
    changed = post(
        client, world, "order-coupons/redeem", body | {"order_no": "O2"}, idempotency_key="order-0002"
    )
    assert changed.json["code"] == "idempotency_key_reused"
    with transaction():
        order = session.query(OrderDiscount).one()
        assert (order.total_fen, order.discount_fen, sorted(order.groups)) == (3000, 750, ["full", "percent"])
    assert broken() == []


def test_an_order_holds_all_or_none_and_lets_go(client: FlaskClient, world: World) -> None:
    threshold, percent = pair(world)
    held = post(client, world, "order-coupons/lock", asked(threshold.code, percent.code))
    assert held.json["discount_fen"] == 750
    other = post(client, world, "order-coupons/lock", asked(percent.code, order_no="O2"))
    assert (other.status_code, other.json["code"]) == (409, "coupon_locked")
    release = {"codes": [threshold.code, percent.code], "order_no": "O1", "store": "S001"}
    assert post(client, world, "order-coupons/release", release).json["released"] == 2
    assert post(client, world, "order-coupons/release", release).json["code"] == "not_held"
    assert post(client, world, "order-coupons/lock", asked(percent.code, order_no="O2")).status_code == 200
    assert broken() == []


def test_an_order_redeems_what_it_holds_by_the_code_that_was_shown(client: FlaskClient, world: World) -> None:
    """The shopper showed a rotating code at noon, paid after the hour had ended, and is not asked for another one."""
    noon = datetime(2027, 3, 2, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
    with time_machine.travel(noon, tick=False):
        one = coupon(world, hours=(("11:30", "12:30"),), valid_days=30)
        shown, _ = codes.rotating(one.code, noon)
        held = post(client, world, "order-coupons/lock", asked(shown, minutes=60))
        assert held.status_code == 200, held.json
        assert datetime.fromisoformat(held.json["held_until"]) == noon + timedelta(minutes=60)
    with time_machine.travel(noon + timedelta(minutes=50), tick=False):
        told = post(client, world, "order-coupons/validate", asked(shown, order_no="O2")).json
        assert told["coupons"][0]["reason"]["code"] == "code_expired"
        other = post(client, world, "redemptions/validate", body(one.code, "O2"))
        assert other.json["reason"]["code"] == "coupon_locked"
        assert post(client, world, "order-coupons/validate", asked(shown)).json["coupons"][0]["usable"]
        done = post(client, world, "order-coupons/redeem", asked(shown), idempotency_key="paid-late-1")
        assert done.status_code == 200, done.json
    with time_machine.travel(noon + timedelta(minutes=51), tick=False):
        again = post(client, world, "order-coupons/lock", asked(shown))
        assert (again.status_code, again.json["code"]) == (409, "code_expired")
    assert broken() == []


def test_an_order_lets_go_by_the_code_that_was_shown(client: FlaskClient, world: World) -> None:
    noon = datetime(2027, 3, 2, 4, 0, tzinfo=UTC)
    with time_machine.travel(noon, tick=False):
        one = coupon(world, valid_days=1)
        shown, _ = codes.rotating(one.code, noon)
        assert post(client, world, "order-coupons/lock", asked(shown, minutes=60)).status_code == 200
    with time_machine.travel(noon + timedelta(minutes=20), tick=False):
        release = {"codes": [shown], "order_no": "O1", "store": "S001"}
        assert post(client, world, "order-coupons/release", release).json["released"] == 1
    with time_machine.travel(one.valid_to - timedelta(minutes=5), tick=False):
        held = post(client, world, "order-coupons/lock", asked(one.code, minutes=60)).json
        assert datetime.fromisoformat(held["held_until"]) == one.valid_to  # no longer than it is good
    assert broken() == []


def test_one_coupon_twice_on_an_order_is_a_mistake(client: FlaskClient, world: World) -> None:
    one, _ = pair(world)
    assert post(client, world, "order-coupons/validate", asked(one.code, one.code)).json["code"] == "coupon_twice"


def test_refunds_give_back_each_line_once_and_end_the_redemption(client: FlaskClient, world: World) -> None:
    one = coupon(world, supplier="某某乳业", supplier_bp=3000, hq_bp=5000)
    done = redeem(world, one.code, order_no="O1")
    path = f"redemptions/{ids.encode('rdm', done.redemption_id)}/refunds"
    half = {"refund_no": "R1", "lines": [{"line_no": 2, "quantity": 1}]}
    first, again = post(client, world, path, half), post(client, world, path, half)
    assert first.json == again.json and (first.json["discount_fen"], first.json["left_fen"]) == (83, 417)
    changed = post(client, world, path, half | {"lines": [{"line_no": 1, "quantity": 1}]})
    assert changed.json["code"] == "refund_changed"
    most = post(client, world, path, {"refund_no": "R2", "lines": [{"line_no": 2, "quantity": 2}]})
    assert (most.status_code, most.json["code"], most.json["data"]["left"]) == (409, "refund_too_large", 1)
    rest = {"refund_no": "R3", "lines": [{"line_no": 1, "quantity": 1}, {"line_no": 2, "quantity": 1}]}
    over = post(client, world, path, rest).json
    assert (over["discount_fen"], over["left_fen"], over["ended"]) == (417, 0, True)
    assert post(client, world, path, rest).json["ended"] is True
    assert fresh(world, one.member_id, one.coupon_id).status == "returned"
    assert broken() == []


def test_terms_may_keep_a_refunded_coupon(client: FlaskClient, world: World) -> None:
    one = coupon(world, returns="never")
    done = redeem(world, one.code)
    with transaction():
        commands.refund(
            brand_id=world.brand_id, redemption_id=done.redemption_id, refund_no="R1", lines=[(1, 1), (2, 2)]
        )
    assert fresh(world, one.member_id, one.coupon_id).status == "voided"
    assert broken() == []


def test_a_coupon_that_comes_back_too_late_has_days_of_grace(world: World) -> None:
    one = coupon(world, valid_days=1, grace_days=3)
    done, until = redeem(world, one.code), one.valid_to
    with time_machine.travel(until + timedelta(days=2), tick=True), transaction():
        commands.give_back(brand_id=world.brand_id, redemption_id=done.redemption_id)
    back = fresh(world, one.member_id, one.coupon_id)
    assert back.status == "returned" and timedelta(days=3) <= back.valid_to - until - timedelta(days=2)
    assert broken() == []


def receipt(code: str, number: int, *, at: datetime | None = None, order_no: str = "") -> dict[str, Any]:
    moment = at or clock.now() - timedelta(hours=1)
    return {
        "receipt_no": f"OFF-{number}",
        "code": code,
        "order_no": order_no or f"OFF-O{number}",
        "taken_at": moment.isoformat(),
        "lines": LINES,
    }


def test_what_a_till_took_offline_is_settled_afterwards(client: FlaskClient, world: World) -> None:
    campaign_id = campaign(world)
    with time_machine.travel(clock.now() - timedelta(hours=3), tick=True):
        good, used, more = (coupon(world, campaign_id) for _ in range(3))
    redeem(world, used.code, order_no="ONLINE-1")
    redeem(world, more.code, order_no="ONLINE-2")
    with transaction():
        commands.set_offline_limit(brand_id=world.brand_id, store_id=world.store.id, limit_fen=700)
    batch = {
        "store": "S001",
        "receipts": [
            receipt(good.code, 1),
            receipt(used.code, 2),
            receipt(more.code, 3),
            receipt("2" * 12 + "3", 4),
            receipt(good.code, 5, at=clock.now() - timedelta(days=8)),
        ],
    }
    first, again = (post(client, world, "order-coupons/offline", batch) for _ in range(2))
    assert first.status_code == 200 and first.json == again.json
    assert [(one["outcome"], one["reason"], one["discount_fen"]) for one in first.json["receipts"]] == [
        ("redeemed", "", 500),
        ("conflict", "coupon_redeemed", 500),
        ("over", "coupon_redeemed", 500),
        ("refused", "coupon_unknown", 0),
        ("refused", "too_late", 0),
    ]
    changed = {"store": "S001", "receipts": [receipt(used.code, 1), *batch["receipts"][1:2]]}
    told = post(client, world, "order-coupons/offline", changed).json["receipts"]
    assert [(one["outcome"], one["reason"]) for one in told] == [
        ("refused", "receipt_changed"),
        ("conflict", "coupon_redeemed"),
    ]
    with transaction():
        done = session.query(Redemption).filter_by(coupon_id=good.coupon_id).one()
        assert done.redeemed_at < datetime.now(UTC) - timedelta(minutes=50)
        assert sum(row.used_fen for row in session.query(OfflineQuota)) == 500
    assert broken() == []


@pytest.mark.parametrize(
    "terms,code",
    [
        ({"channels": frozenset({"mall"})}, "coupon_wrong_channel"),
        ({"weekdays": frozenset({7})}, "coupon_not_now"),
        ({"hours": (("00:00", "00:01"),)}, "coupon_not_now"),
        ({"except_store_ids": "here"}, "coupon_wrong_store"),
        ({"skus": frozenset({"OTHER"})}, "coupon_not_applicable"),
        ({"except_categories": frozenset({"shoes", "socks"})}, "coupon_not_applicable"),
    ],
)
def test_terms_hold_at_the_till(client: FlaskClient, world: World, terms: Any, code: str) -> None:
    if terms.get("except_store_ids") == "here":
        terms = {"except_store_ids": frozenset({world.store.id})}
    with time_machine.travel(datetime(2026, 3, 4, 4, 0, tzinfo=UTC), tick=True):  # a Wednesday at noon in Shanghai
        one = coupon(world, **terms)
        with pytest.raises(Exception) as refused:
            commands.redeem(
                till=commands.Till(
                    world.brand_id, world.store.id, world.store.dealer_id, world.store.region_id, "till", "till", None
                ),
                key=commands.Key("pos:1", f"terms-{one.coupon_id}", b"x"),
                code=one.code,
                order_no="O1",
                lines=BASKET,
            )
    assert refused.value.code == code  # type: ignore[attr-defined]


def test_a_later_coupon_takes_off_what_the_earlier_ones_left(client: FlaskClient, world: World) -> None:
    """Redeemed for one order in two requests they take off what they would in one."""
    threshold, percent = pair(world)
    first = post(client, world, "redemptions", body(threshold.code), idempotency_key="first-0001")
    assert first.json["discount_fen"] == 500
    for path, told in (
        ("redemptions/validate", body(percent.code)),
        ("order-coupons/validate", asked(percent.code)),
    ):
        answer = post(client, world, path, told).json
        assert (answer["discount_fen"], sum(one["discount_fen"] for one in answer["lines"])) == (250, 250)
    second = post(client, world, "order-coupons/redeem", asked(percent.code), idempotency_key="second-001")
    assert second.json["discount_fen"] == 250
    with transaction():
        order = session.query(OrderDiscount).one()
        assert (order.total_fen, order.discount_fen) == (3000, 750)
    assert broken() == []


def test_no_order_is_the_offer_that_holds_a_coupon(client: FlaskClient, world: World) -> None:
    mine = coupon(world, transferable=True)
    with transaction():
        transfer_id = commands.offer_transfer(
            brand_id=world.brand_id, member_id=mine.member_id, coupon_id=mine.coupon_id
        )
    offer = ids.encode("cgt", transfer_id)
    assert fresh(world, mine.member_id, mine.coupon_id).locked_order == offer
    told = post(client, world, "redemptions/validate", body(mine.code, offer)).json
    assert told["reason"]["code"] == "coupon_offered"
    held = post(client, world, "order-coupons/lock", asked(mine.code, order_no=offer)).json
    assert held["code"] == "coupon_offered"
    release = {"codes": [mine.code], "order_no": offer, "store": "S001"}
    assert post(client, world, "order-coupons/release", release).json["code"] == "not_held"
    assert fresh(world, mine.member_id, mine.coupon_id).status == "locked"


def test_letting_go_counts_wrong_codes_too(client: FlaskClient, world: World) -> None:
    answers = [
        post(client, world, "order-coupons/release", {"codes": [codes.new_code()], "order_no": "O1", "store": "S001"})
        for _ in range(coupon_limits.WRONG_IN_STORE + 2)
    ]
    assert [one.status_code for one in answers[:3]] == [404] * 3 and answers[-1].status_code == 429


def test_a_batch_sent_again_is_no_guess(client: FlaskClient, world: World) -> None:
    batch = {"store": "S001", "receipts": [receipt(codes.new_code(), no) for no in range(3)]}
    sent = [post(client, world, "order-coupons/offline", batch) for _ in range(coupon_limits.WRONG_IN_STORE)]
    assert {one.status_code for one in sent} == {200}


@pytest.mark.parametrize("apart", [timedelta(minutes=-4), timedelta(0), timedelta(minutes=4)])
def test_a_tills_clock_may_be_off_when_it_takes_a_rotating_code(
    client: FlaskClient, world: World, apart: timedelta
) -> None:
    noon = datetime(2027, 3, 2, 4, 0, 30, tzinfo=UTC)
    with time_machine.travel(noon - timedelta(hours=1), tick=False):
        mine = coupon(world)
    shown, _ = codes.rotating(mine.code, noon)
    with time_machine.travel(noon + timedelta(hours=2), tick=False):
        batch = {"store": "S001", "receipts": [receipt(shown, 1, at=noon + apart)]}
        assert post(client, world, "order-coupons/offline", batch).json["receipts"][0]["outcome"] == "redeemed"
    assert broken() == []


def test_an_old_code_taken_offline_is_a_conflict_and_holds_up_nothing(client: FlaskClient, world: World) -> None:
    """A picture of a screen: the goods are gone, so the store's quota pays."""
    noon = datetime(2027, 3, 2, 4, 0, 30, tzinfo=UTC)
    with time_machine.travel(noon - timedelta(hours=1), tick=False):
        mine, other = coupon(world), coupon(world)
        with transaction():
            commands.set_offline_limit(brand_id=world.brand_id, store_id=world.store.id, limit_fen=700)
    shown, _ = codes.rotating(mine.code, noon)
    with time_machine.travel(noon + timedelta(hours=2), tick=False):
        taken = noon + timedelta(minutes=20)
        batch = {"store": "S001", "receipts": [receipt(shown, 1, at=taken), receipt(other.code, 2, at=taken)]}
        told = post(client, world, "order-coupons/offline", batch).json["receipts"]
    assert [(one["outcome"], one["reason"]) for one in told] == [("conflict", "code_expired"), ("redeemed", "")]
    assert fresh(world, mine.member_id, mine.coupon_id).status == "claimed"
    assert broken() == []


def test_a_database_that_is_busy_is_no_coupons_reason(client: FlaskClient, world: World) -> None:
    """All that a till asks is answered 503 while it may be asked again, and nothing is put down as a conflict."""
    mine = coupon(world)
    batch = {"store": "S001", "receipts": [receipt(mine.code, 1, at=clock.now())]}
    with locked("coupon_code"):
        answers = [
            post(client, world, "redemptions/validate", body(mine.code)),
            post(client, world, "order-coupons/validate", asked(mine.code)),
            post(client, world, "order-coupons/offline", batch),
        ]
    assert [(one.status_code, one.json["code"]) for one in answers] == [(503, "busy")] * 3
    assert {one.headers["Retry-After"] for one in answers} == {"1"}
    assert post(client, world, "order-coupons/offline", batch).json["receipts"][0]["outcome"] == "redeemed"
    assert broken() == []


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Nobody else reads or writes a table in the block."""
    with psycopg.connect(current_app.extensions["siyu"].database_url) as other, other.transaction():
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
