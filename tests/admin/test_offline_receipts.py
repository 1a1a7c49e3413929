"""Coupons that tills took offline, for those who look after them: conflicts by store, and what they may come to."""

from __future__ import annotations

from typing import Any

import pytest
from console_world import Pages, bearer, make_admins
from coupon_factories import BASKET, coupon, redeem, till
from factories import World, make_world
from invariants import broken

from app.core import clock, ids
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.org.models import AdminUser

API = "/api/admin/v1"


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def admins(world: World) -> dict[str, AdminUser]:
    return make_admins(world)


def _told(world: World, number: int, *, store: int = 0, code: str = "") -> str:
    """A receipt of a coupon that was used elsewhere before, or of any code; what became of it."""
    if not code:
        code = coupon(world).code
        redeem(world, code)
    told = commands.Receipt(f"R{number}", code, f"OFF-{number}", BASKET, clock.now(), b"1")
    with transaction():
        return commands.take_receipt(till=till(world, store), receipt=told).row.outcome


def _get(client: Any, admin: AdminUser, path: str) -> Any:
    return client.get(f"{API}/{path}", headers=bearer(admin))


def test_conflicts_are_listed_by_store_and_charged_to_what_was_allowed(
    client: Any, world: World, admins: dict[str, AdminUser]
) -> None:
    one, other = (ids.encode("sto", store.id) for store in world.stores)
    allow = client.put(f"{API}/offline-quotas/{one}", json={"limit_fen": 700}, headers=bearer(admins["hq"]))
    assert (allow.status_code, allow.json["limit_fen"], allow.json["used_fen"]) == (200, 700, 0)
    assert [_told(world, number) for number in range(2)] == ["conflict", "over"]
    assert _told(world, 2, store=1) == "over"
    assert _told(world, 3, code=codes.new_code()) == "refused"
    assert _told(world, 4, code=coupon(world).code) == "redeemed"

    every = _get(client, admins["hq"], "offline-receipts").json["items"]
    assert [(row["receipt_no"], row["outcome"], row["store"]) for row in every] == [
        ("R2", "over", other), ("R1", "over", one), ("R0", "conflict", one),
    ]  # fmt: skip
    assert every[2]["reason"] == "coupon_redeemed" and every[2]["discount_fen"] == 500
    (refused,) = _get(client, admins["hq"], "offline-receipts?outcome=refused").json["items"]
    assert (refused["coupon"], refused["reason"], refused["discount_fen"]) == (None, "coupon_unknown", 0)
    (taken,) = _get(client, admins["hq"], "offline-receipts?outcome=redeemed").json["items"]
    assert taken["redemption"].startswith("rdm_")
    first = _get(client, admins["hq"], "offline-receipts?limit=2").json
    second = _get(client, admins["hq"], f"offline-receipts?limit=2&cursor={first['next_cursor']}").json
    assert [row["receipt_no"] for row in first["items"] + second["items"]] == ["R2", "R1", "R0"]
    assert second["next_cursor"] is None

    # The store user's is the second store.
    assert [row["receipt_no"] for row in _get(client, admins["store"], "offline-receipts").json["items"]] == ["R2"]
    assert _get(client, admins["store"], f"offline-receipts?store={one}").status_code == 404
    assert [row["code"] for row in _get(client, admins["store"], "offline-quotas").json["items"]] == ["S002"]
    quota = {row["code"]: row for row in _get(client, admins["hq"], "offline-quotas").json["items"]}
    assert (quota["S001"]["used_fen"], quota["S001"]["limit_fen"], quota["S002"]["limit_fen"]) == (500, 700, 0)
    lower = client.put(f"{API}/offline-quotas/{one}", json={"limit_fen": 100}, headers=bearer(admins["hq"])).json
    assert lower["limit_fen"] == 500  # never below what was used
    refused = client.put(f"{API}/offline-quotas/{one}", json={"limit_fen": 100}, headers=bearer(admins["store"]))
    assert refused.status_code == 403
    assert _get(client, make_admins(make_world())["hq"], "offline-receipts").json["items"] == []
    assert broken() == []


def test_the_page_says_why_and_sets_quotas(client: Any, world: World, admins: dict[str, AdminUser]) -> None:
    hq, one = Pages(client, admins["hq"]), ids.encode("sto", world.store.id)
    assert "没有需要关注的离线核销" in hq.get("offline-receipts").text
    assert hq.post("offline-receipts", store=one, limit="500").status_code == 303
    _told(world, 1)
    _told(world, 2, store=1)
    page = hq.get("offline-receipts").text
    for words in ("冲突", "超出额度", "此券已经使用过", "¥500.00", "OFF-1"):
        assert words in page
    assert "OFF-1" not in hq.get("offline-receipts?outcome=over").text
    wrong = hq.post("offline-receipts", store=one, limit="很多")
    assert wrong.status_code == 422 and "每月额度不正确" in wrong.text
    assert hq.post("offline-receipts", store="sto_x", limit="5").status_code == 404
    store = Pages(client, admins["store"])
    page = store.get("offline-receipts").text
    assert "OFF-2" in page and "OFF-1" not in page and "保存" not in page
    assert store.post("offline-receipts", store=one, limit="5").status_code == 403
