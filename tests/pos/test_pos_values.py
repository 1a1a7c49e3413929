"""Values at the edge of what a till may send: names as they are printed, and moments that no calendar holds."""

from __future__ import annotations

from typing import Any

import pytest
from coupon_factories import post
from factories import World, make_world

OLD = ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z")


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def order(**changes: Any) -> dict[str, Any]:
    line = {"line_no": 1, "sku": "S1", "name": "袜子", "quantity": 1, "unit_fen": 100, "amount_fen": 100}
    line |= {name: changes.pop(name) for name in ("name", "sku") if name in changes}
    return {"order_no": "A1", "store": "S001", "paid_at": "2026-01-01T10:00:00+08:00", "lines": [line]} | changes


@pytest.mark.parametrize("name", ["纯棉\u3000T恤", "crème\u00a0brûlée", "亲子装👩\u200d👧"])
def test_names_of_goods_are_taken_as_they_are_printed(client: Any, world: World, name: str) -> None:
    done = post(client, world, "orders", order(name=name), idempotency_key="upload-A1")
    assert done.status_code == 200, done.json


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\u202eb", "a\u2028b", "a\x1bb"])
def test_controls_in_a_name_are_refused(client: Any, world: World, name: str) -> None:
    refused = post(client, world, "orders", order(name=name), idempotency_key="upload-A1")
    assert (refused.status_code, refused.json["code"]) == (422, "invalid")


@pytest.mark.parametrize("at", OLD)
def test_an_order_of_a_time_without_tills_is_refused(client: Any, world: World, at: str) -> None:
    refused = post(client, world, "orders", order(paid_at=at), idempotency_key="upload-A1")
    assert (refused.status_code, refused.json["code"]) == (422, "order_mismatch")
    assert refused.json["data"]["field"] == "paid_at"


@pytest.mark.parametrize("at", OLD)
def test_a_card_of_a_time_without_tills_is_refused(client: Any, world: World, at: str) -> None:
    card = {"card_no": "K100", "phone": "13900001111", "store": "S001", "opened_at": at}
    refused = post(client, world, "members", card, idempotency_key="open-K100")
    assert (refused.status_code, refused.json["code"]) == (422, "invalid")
