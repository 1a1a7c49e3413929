"""Values at the edge of what a till may send: names as they are printed."""

from __future__ import annotations

from typing import Any

import pytest
from coupon_factories import post
from factories import World, make_world


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
