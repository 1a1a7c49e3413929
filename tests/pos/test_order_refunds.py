"""POST /api/pos/v1/orders/refunds: goods of an uploaded order go back, and coupons with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from at_once import at_once
from coupon_crowds import all_read_first
from coupon_factories import body, campaign, coupon, fresh, post
from factories import World, make_world
from invariants import broken

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.coupons.models import CampaignBudget
from app.flows import order_refunded
from app.sales.models import Refund

LINES = [
    {"line_no": 1, "sku": "SKU-1", "name": "n", "quantity": 1, "unit_fen": 2000, "amount_fen": 2000},
    {"line_no": 2, "sku": "SKU-2", "name": "n", "quantity": 2, "unit_fen": 500, "amount_fen": 1000},
]


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def bought(client: Any, world: World, code: str, order_no: str = "A1") -> None:
    used = post(client, world, "redemptions", body(code, order_no), idempotency_key=f"redeem-{order_no}").json
    off = {line["line_no"]: line["discount_fen"] for line in used["lines"]}
    lines = [line | {"discount_fen": off.get(line["line_no"], 0)} for line in LINES]
    told = {"order_no": order_no, "store": "S001", "paid_at": clock.now().isoformat(), "lines": lines}
    told |= {"redemptions": [used["redemption"]]}
    assert post(client, world, "orders", told, idempotency_key=f"order-{order_no}").status_code == 200


def back(client: Any, world: World, *lines: tuple[int, int, int], **changes: Any) -> Any:
    told = {"order_no": "A1", "store": "S001", "refund_no": "B1", "refunded_at": clock.now().isoformat()}
    told["lines"] = [{"line_no": no, "quantity": count, "refunded_fen": fen} for no, count, fen in lines]  # type: ignore[assignment]
    return post(client, world, "orders/refunds", told | changes)


def spent(campaign_id: int) -> int:
    with transaction():
        return session.get_one(CampaignBudget, campaign_id, populate_existing=True).spent_fen


def test_what_goes_back_takes_its_share_of_the_coupon_along(
    client: Any, world: World, run_work: Callable[[], int]
) -> None:
    campaign_id = campaign(world, budget_fen=10_000)
    one = coupon(world, campaign_id)
    bought(client, world, one.code)
    at = clock.now().isoformat()
    for new in (True, False, False):
        answer = back(client, world, (2, 1, 417), refunded_at=at).json
        assert (answer["new"], answer["refunded_fen"], answer["left_fen"], answer["status"]) == (
            new, 417, 2_083, "paid",
        )  # fmt: skip
        run_work()
    assert spent(campaign_id) == 500 - 83
    rest = back(client, world, (1, 1, 1_667), (2, 1, 416), refund_no="B2").json
    assert (rest["left_fen"], rest["status"]) == (0, "refunded")
    run_work()
    assert spent(campaign_id) == 0
    assert fresh(world, one.member_id, one.coupon_id).status == "returned"
    assert broken() == []


def test_more_than_is_left_goes_back_neither_in_goods_nor_in_money(client: Any, world: World) -> None:
    bought(client, world, coupon(world).code)
    for lines in ([(1, 2, 100)], [(1, 1, 1_668)], [(2, 2, 100), (1, 2, 0)]):
        answer = back(client, world, *lines)
        assert (answer.status_code, answer.json["code"]) == (409, "refund_too_much")
    assert back(client, world, (2, 2, 100)).status_code == 200
    goods = back(client, world, (2, 1, 100), refund_no="B2")
    assert (goods.status_code, goods.json["data"]["left_quantity"]) == (409, 0)
    assert back(client, world, (2, 0, 100), refund_no="B3").json["left_fen"] == 2_300
    assert broken("sales.") == []


@pytest.mark.parametrize(
    ("lines", "changes", "status", "code"),
    [
        ([(1, 1, 100)], {"order_no": "A2"}, 404, "order_unknown"),
        ([(1, 1, 100)], {"channel": "mall"}, 404, "order_unknown"),
        ([(9, 1, 100)], {}, 422, "refund_line_unknown"),
        ([(1, 1, 100), (1, 0, 100)], {}, 422, "line_number_twice"),
        ([(1, 1, 100)], {"refunded_at": "0001-01-01T00:00:00+08:00"}, 422, "order_mismatch"),
        ([(1, 1, 100)], {"refunded_at": "9999-12-31T23:59:59-08:00"}, 422, "order_mismatch"),
        ([(1, 1, 100)], {"refund_no": "a\x00b"}, 422, None),
        ([(1, -1, 100)], {}, 422, None),
        ([(1, 1, 2**70)], {}, 422, None),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    client: Any, world: World, lines: list[tuple[int, int, int]], changes: dict[str, Any], status: int, code: str | None
) -> None:
    bought(client, world, coupon(world).code)
    answer = back(client, world, *lines, **changes)
    assert answer.status_code == status and (code is None or answer.json["code"] == code)
    with transaction():
        assert session.query(Refund).count() == 0


def test_a_number_that_was_told_before_with_other_contents_is_refused(client: Any, world: World) -> None:
    bought(client, world, coupon(world).code)
    at = (clock.now() - timedelta(minutes=1)).isoformat()
    assert back(client, world, (1, 1, 100), refunded_at=at).json["new"]
    other = back(client, world, (1, 1, 200), refunded_at=at)
    assert (other.status_code, other.json["code"]) == (409, "refund_changed")


def test_a_key_of_one_store_refunds_no_other_stores_order(client: Any, world: World) -> None:
    bought(client, world, coupon(world).code)
    answer = back(client, world, (1, 1, 100), store="S002")
    assert (answer.status_code, answer.json["code"]) == (404, "store_unknown")


def eight_refunds(app: Any, world: World) -> list[int]:
    """Of the one piece of line 1, by eight tills."""

    def one(number: int) -> Callable[[], Any]:
        return lambda: int(back(app.test_client(), world, (1, 1, 200), refund_no=f"C{number}").status_code)

    return sorted(at_once(app, [one(number) for number in range(8)]))


def test_eight_tills_refund_one_line_once(app: Any, client: Any, world: World) -> None:
    bought(client, world, coupon(world).code)
    assert eight_refunds(app, world) == [200] + [409] * 7
    with transaction():
        assert session.query(Refund).count() == 1
    assert broken("sales.") == []


def test_twin_eight_tills_refund_one_line(
    app: Any, client: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does not wait for the order counts goods that others are giving back: one piece comes back several times."""
    bought(client, world, coupon(world).code)
    monkeypatch.setattr(order_refunded, "alone", lambda *_: None)
    all_read_first(monkeypatch, order_refunded.__name__, "_check_goods", 8)
    assert eight_refunds(app, world).count(200) > 1
