"""What an order costs the database. Thousands come in a minute, so a statement more must be meant."""

from __future__ import annotations

from typing import Any

import pytest
from coupon_factories import post
from factories import World, make_world
from loyalty import set_rules
from people import make_member
from statements import statements

from app.core import clock
from app.core.transaction import transaction

LINES = [
    {
        "line_no": n,
        "sku": f"S{n}",
        "name": "袜子",
        "category": "socks",
        "quantity": 2,
        "unit_fen": 1_000,
        "amount_fen": 2_000,
    }
    for n in range(1, 4)
]


@pytest.fixture
def world(app: Any) -> World:
    world = make_world()
    set_rules(world.brand_id)
    with transaction():
        make_member(world, phone="13900001111")
    return world


def upload(client: Any, world: World, order_no: str, member: dict[str, str] | None) -> list[str]:
    body = {"order_no": order_no, "store": "S001", "member": member, "lines": LINES, "paid_at": clock.now().isoformat()}
    with statements() as seen:
        assert post(client, world, "orders", body, idempotency_key=f"upload-{order_no}").status_code == 200
    return seen


def test_a_members_order(client: Any, world: World) -> None:
    upload(client, world, "A0", {"phone": "13900001111"})  # the first one also places the member on the ladder
    seen = upload(client, world, "A1", {"phone": "13900001111"})
    assert len(seen) <= 16, "\n".join(one[:60] for one in seen)


def test_a_walk_in(client: Any, world: World) -> None:
    upload(client, world, "A0", None)
    seen = upload(client, world, "A1", None)
    assert len(seen) <= 7, "\n".join(one[:60] for one in seen)
