"""The till's coupon API over HTTP: what works, and that what does not changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import body, campaign, coupon, fresh, post, till
from factories import World, make_world
from invariants import broken

from app.core import clock, ids
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.models import Redemption, RedemptionLine
from app.coupons.rules import Line


def _count(model: Any) -> int:
    with transaction():
        return session.query(model).count()


def test_a_redemption_from_validate_to_return(client: Any, world: World) -> None:
    mine = coupon(world, kind="percent", percent_bp=3333)
    shown, _ = codes.rotating(mine.code, clock.now())

    dry = post(client, world, "redemptions/validate", body(shown))
    assert dry.status_code == 200 and dry.json["usable"] and dry.json["discount_fen"] == 1000
    assert dry.json["lines"] == [{"line_no": 1, "discount_fen": 667}, {"line_no": 2, "discount_fen": 333}]
    assert fresh(world, mine.member_id, mine.coupon_id).status == "claimed"

    done = post(client, world, "redemptions", body(shown), idempotency_key="order-O1-1")
    assert done.status_code == 200, done.json
    assert {key: done.json[key] for key in ("discount_fen", "lines", "currency", "order_no", "store")} == {
        "discount_fen": 1000,
        "lines": dry.json["lines"],
        "currency": "CNY",
        "order_no": "O1",
        "store": "S001",
    }
    assert done.json["coupon"]["name"] == "立减券"
    now = fresh(world, mine.member_id, mine.coupon_id)
    assert (now.status, now.code_step) == ("redeemed", codes.step_at(clock.now()))
    with transaction():
        told = session.query(Outbox).filter_by(name="coupons.redeemed").one()
        assert told.payload["order_no"] == "O1" and told.member_id == mine.member_id
        assert told.correlation_id == done.headers["X-Correlation-Id"]
        row = session.query(Redemption).one()
        assert (row.hq_fen, row.dealer_fen, row.source) == (1000, 0, "till")

    path = f"redemptions/{done.json['redemption']}/return"
    back = post(client, world, path, {}, idempotency_key="return-O1-1")
    assert back.status_code == 200 and back.json["discount_fen"] == 1000
    assert post(client, world, path, {}, idempotency_key="return-O1-1").json == back.json
    again = post(client, world, path, {}, idempotency_key="return-O1-2")
    assert (again.status_code, again.json["code"]) == (409, "redemption_returned")
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned"

    replayed = post(client, world, "redemptions", body(shown, "O2"), idempotency_key="order-O2-1")
    assert (replayed.status_code, replayed.json["code"]) == (409, "code_replayed")
    second = post(client, world, "redemptions", body(mine.code, "O2"), idempotency_key="order-O2-1")
    assert second.status_code == 200
    assert broken() == []


def test_the_same_request_thrice_has_one_effect_and_one_answer(client: Any, world: World) -> None:
    mine = coupon(world)
    shown, _ = codes.rotating(mine.code, clock.now())
    answers = [post(client, world, "redemptions", body(shown), idempotency_key="order-O1-1") for _ in range(3)]
    with time_machine.travel(clock.now() + timedelta(seconds=200), tick=False):
        late = str(int(clock.now().timestamp()))
        answers.append(post(client, world, "redemptions", body(shown), idempotency_key="order-O1-1", Timestamp=late))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert all(answer.json == answers[0].json for answer in answers)
    assert _count(Redemption) == 1
    changed = post(client, world, "redemptions", body(shown, "O2"), idempotency_key="order-O1-1")
    assert (changed.status_code, changed.json["code"]) == (409, "idempotency_key_reused")
    other = coupon(world)
    changed = post(client, world, "redemptions", body(other.code, "O2"), idempotency_key="order-O1-1")
    assert (changed.status_code, changed.json["code"]) == (409, "idempotency_key_reused")
    assert fresh(world, other.member_id, other.coupon_id).status == "claimed"
    assert broken() == []


def test_refusals_have_stable_codes_and_change_nothing(client: Any, world: World) -> None:
    elsewhere = coupon(world, store_ids=frozenset({world.stores[1].id}))
    dear = coupon(world, kind="threshold", threshold_fen=3001)
    gift = coupon(world, kind="gift", gift_skus=frozenset({"MUG"}))
    later = coupon(world, wait_days=3)
    paused_campaign = campaign(world)
    paused = coupon(world, paused_campaign)
    held = coupon(world)
    with transaction():
        commands.set_status(brand_id=world.brand_id, campaign_id=paused_campaign, status="paused")
        commands.lock(counter=till(world), member_id=held.member_id, coupon_id=held.coupon_id, order_no="O-other")
    expired = coupon(world, ends_at=clock.now() + timedelta(seconds=1))
    used = coupon(world)
    assert post(client, world, "redemptions", body(used.code, "O0"), idempotency_key="order-O0-1").status_code == 200
    old, _ = codes.rotating(held.code, clock.now() - timedelta(minutes=3))
    expectations = [
        (codes.new_code(), 404, "coupon_unknown"),
        (used.code[:-1] + ("2" if used.code[-1] != "2" else "3"), 404, "coupon_unknown"),
        ("' OR 1=1 --", 404, "coupon_unknown"),
        (old, 409, "code_expired"),
        (elsewhere.code, 409, "coupon_wrong_store"),
        (dear.code, 422, "threshold_not_met"),
        (gift.code, 422, "coupon_not_applicable"),
        (later.code, 409, "coupon_not_yet_valid"),
        (paused.code, 409, "campaign_paused"),
        (held.code, 409, "coupon_locked"),
        (used.code, 409, "coupon_redeemed"),
    ]
    before = _count(Outbox)
    for number, (code, status, reason) in enumerate(expectations):
        answer = post(client, world, "redemptions", body(code), idempotency_key=f"refused-{number}")
        assert (answer.status_code, answer.json["code"]) == (status, reason)
        dry = post(client, world, "redemptions/validate", body(code))
        if status == 404:
            assert (dry.status_code, dry.json["code"]) == (404, reason)
        else:
            assert dry.status_code == 200 and dry.json["reason"]["code"] == reason and not dry.json["usable"]
    with time_machine.travel(clock.now() + timedelta(seconds=2), tick=False):
        answer = post(client, world, "redemptions", body(expired.code), idempotency_key="refused-expired")
        assert (answer.status_code, answer.json["code"]) == (409, "coupon_expired")
    assert _count(Redemption) == 1 and _count(RedemptionLine) == 2 and _count(Outbox) == before
    assert broken() == []


def test_a_store_outside_the_keys_scope_is_as_unknown_as_any(client: Any, world: World) -> None:
    mine = coupon(world)
    outside = post(client, world, "redemptions", body(mine.code, store="S002"), idempotency_key="scope-0001")
    missing = post(client, world, "redemptions", body(mine.code, store="S999"), idempotency_key="scope-0002")
    assert outside.status_code == missing.status_code == 404
    assert outside.json["code"] == missing.json["code"] == "store_unknown"
    assert outside.json["message"] == missing.json["message"]

    done = commands.redeem(
        till=commands.Till(world.brand_id, world.stores[1].id, 1, None, "till", "till", None),
        key=commands.Key("pos:0", "elsewhere", b"x"),
        code=mine.code,
        order_no="O1",
        lines=[Line(1, "A", "shoes", 1, 1000)],
    )
    path = f"redemptions/{ids.encode('rdm', done.redemption_id)}/return"
    refused = post(client, world, path, {}, idempotency_key="scope-0003")
    assert refused.status_code == 404
    assert fresh(world, mine.member_id, mine.coupon_id).status == "redeemed"


def test_another_brands_coupon_is_unknown(client: Any, world: World) -> None:
    foreign = coupon(make_world())
    answer = post(client, world, "redemptions", body(foreign.code), idempotency_key="foreign-01")
    assert (answer.status_code, answer.json["code"]) == (404, "coupon_unknown")


LINE = {"line_no": 1, "sku": "A", "category": "shoes", "quantity": 1, "amount_fen": 100}


@pytest.mark.parametrize(
    "change",
    [
        {"code": ""},
        {"code": 5},
        {"code": "x" * 65},
        {"order_no": "a\u0000b"},
        {"order_no": "\ud800"},
        {"store": None},
        {"lines": []},
        {"lines": {}},
        {"lines": [LINE] * 201},
        {"lines": [LINE, LINE]},
        {"lines": [{**LINE, "amount_fen": -1}]},
        {"lines": [{**LINE, "amount_fen": 10**30}]},
        {"lines": [{**LINE, "amount_fen": 1.0}]},
        {"lines": [{**LINE, "quantity": 0}]},
        {"lines": [{**LINE, "quantity": True}]},
        {"lines": [{**LINE, "price": 1}]},
        {"lines": [None]},
        {"paid_at": "yesterday"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_body_that_does_not_fit_is_refused(client: Any, world: World, change: dict[str, Any]) -> None:
    answer = post(client, world, "redemptions", body("x") | change, idempotency_key="bad-body-1")
    assert answer.status_code == 422 and answer.json["code"] in ("invalid", "line_number_twice")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"'])
def test_a_body_that_is_no_object_is_refused(client: Any, world: World, raw: bytes) -> None:
    answer = post(client, world, "redemptions", None, raw=raw, idempotency_key="bad-body-2")
    assert answer.status_code in (400, 422)
    assert answer.json["code"] in ("malformed_json", "invalid")


@pytest.mark.parametrize("key", [None, "", "short", "x" * 129, "ünïcödé-key"])
def test_a_write_needs_an_idempotency_key(client: Any, world: World, key: str | None) -> None:
    answer = post(client, world, "redemptions", body("x"), idempotency_key=key)
    assert answer.status_code in (401, 422)
    assert answer.json["code"] in ("idempotency_key_missing", "bad_signature")


@pytest.mark.parametrize("redemption", ["rdm_0000000000000", "mbr_0000000000001", "x"])
def test_an_unknown_redemption_cannot_be_returned(client: Any, world: World, redemption: str) -> None:
    answer = post(client, world, f"redemptions/{redemption}/return", {}, idempotency_key="return-none")
    assert answer.status_code == 404 and answer.json["code"] in ("redemption_unknown", "not_found")


def test_the_coupon_of_an_order_that_was_uploaded_is_refunded_not_cancelled(client: Any, world: World) -> None:
    mine = coupon(world)
    done = post(client, world, "redemptions", body(mine.code, "XS-1"), idempotency_key="order-XS-1")
    off = {line["line_no"]: line["discount_fen"] for line in done.json["lines"]}
    lines = [
        {"line_no": 1, "sku": "SKU-1", "name": "鞋", "quantity": 1, "unit_fen": 2000, "amount_fen": 2000},
        {"line_no": 2, "sku": "SKU-2", "name": "袜", "quantity": 2, "unit_fen": 500, "amount_fen": 1000},
    ]
    order = {
        "order_no": "XS-1",
        "store": "S001",
        "paid_at": clock.now().isoformat(),
        "lines": [line | {"discount_fen": off[line["line_no"]]} for line in lines],
        "redemptions": [done.json["redemption"]],
    }
    first = post(client, world, "orders", order, idempotency_key="upload-XS-1")
    assert first.status_code == 200
    path = f"redemptions/{done.json['redemption']}/return"
    refused = post(client, world, path, {}, idempotency_key="return-XS-1")
    assert (refused.status_code, refused.json["code"]) == (409, "order_uploaded")
    assert fresh(world, mine.member_id, mine.coupon_id).status == "redeemed"
    whole = {"refund_no": "R1", "lines": [{"line_no": 1, "quantity": 1}, {"line_no": 2, "quantity": 2}]}
    back = post(client, world, f"redemptions/{done.json['redemption']}/refunds", whole)
    assert back.json["ended"] and fresh(world, mine.member_id, mine.coupon_id).status == "returned"
    again = post(client, world, "orders", order, idempotency_key="upload-XS-1b")  # told once more, as it was
    assert again.status_code == 200 and again.json == first.json | {"new": False}
    other = post(client, world, "orders", order | {"order_no": "XS-2"}, idempotency_key="upload-XS-2")
    assert (other.status_code, other.json["code"]) == (422, "order_mismatch")
    assert broken() == []
