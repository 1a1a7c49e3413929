"""Orders over HTTP: earned once, added up, refused by name, and nothing changed by a refusal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from coupon_factories import coupon, post
from factories import World, make_world
from invariants import broken
from loyalty import set_rules
from people import make_member

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands as coupons
from app.coupons.rules import Line
from app.members import queries as members
from app.points.models import Journal
from app.sales.models import SalesOrder

PHONE = "13900001111"


@pytest.fixture
def member_id(world: World) -> int:
    set_rules(world.brand_id)
    with transaction():
        return make_member(world, phone=PHONE)


def order(order_no: str = "A1", **changes: Any) -> dict[str, Any]:
    lines = [
        {"line_no": 1, "sku": "S1", "name": "羽绒服", "category": "outer", "quantity": 1, "unit_fen": 50_000,
         "amount_fen": 50_000, "discount_fen": 0},
        {"line_no": 2, "sku": "S2", "name": "袜子", "category": "socks", "quantity": 2, "unit_fen": 1_000,
         "amount_fen": 2_000, "discount_fen": 500},
    ]  # fmt: skip
    paid_at = (clock.now() - timedelta(minutes=1)).isoformat()
    return {
        "order_no": order_no,
        "store": "S001",
        "member": {"phone": PHONE},
        "paid_at": paid_at,
        "lines": lines,
    } | changes


def count(model: Any) -> int:
    with transaction():
        return session.query(model).count()


def test_an_order_earns_and_raises(client: Any, world: World, member_id: int, run_work: Callable[[], int]) -> None:
    body = order(guide="guide1", total_fen=52_000, discount_fen=500, paid_fen=51_500)
    done = post(client, world, "orders", body, idempotency_key="upload-A1")
    assert done.status_code == 200, done.json
    assert done.json["order"].startswith("ord_")
    assert {name: value for name, value in done.json.items() if name != "order"} == {
        "order_no": "A1",
        "member": ids.encode("mbr", member_id),
        "new": True,
        "paid_fen": 51_500,
        "currency": "CNY",
        "points": 515,
        "growth": 515,
        "points_balance": 515,
        "tier": {"code": "silver", "name": "白银"},
        "upgraded": True,
    }
    with transaction():
        row = session.query(SalesOrder).one()
        assert (row.guide_id, row.source, row.channel) == (world.guide.id, "till:S001", "till")
        assert row.correlation_id == done.headers["X-Correlation-Id"]
    run_work()
    assert broken() == []


def test_the_same_upload_gets_the_same_answer(client: Any, world: World, member_id: int) -> None:
    body = order()
    first = post(client, world, "orders", body, idempotency_key="upload-A1")
    replay = post(client, world, "orders", body, idempotency_key="upload-A1")
    assert replay.json == first.json
    # The till forgot its key but not its order: the number is the second guard.
    again = post(client, world, "orders", body, idempotency_key="upload-A1-again")
    assert again.json == first.json | {"new": False, "upgraded": False}
    assert (count(SalesOrder), count(Journal)) == (1, 2)


def test_other_content_is_a_conflict(client: Any, world: World, member_id: int) -> None:
    body = order()
    assert post(client, world, "orders", body, idempotency_key="upload-A1").status_code == 200
    reused = post(client, world, "orders", order("A2"), idempotency_key="upload-A1")
    assert (reused.status_code, reused.json["code"]) == (409, "idempotency_key_reused")
    changed = post(client, world, "orders", body | {"member": None}, idempotency_key="upload-A1-2")
    assert (changed.status_code, changed.json["code"]) == (409, "order_changed")
    assert (count(SalesOrder), count(Journal)) == (1, 2)


def test_a_walk_in_needs_no_member(client: Any, world: World, member_id: int) -> None:
    done = post(client, world, "orders", order(member=None), idempotency_key="upload-A1")
    assert (done.status_code, done.json["member"], done.json["points"]) == (200, None, 0)
    assert count(Journal) == 0
    assert broken() == []


@pytest.mark.parametrize("by", ["number", "phone", "card_no"])
def test_a_member_is_found_by(client: Any, world: World, by: str) -> None:
    card = {"card_no": "K1", "phone": PHONE, "store": "S001"}
    opened = post(client, world, "members", card, idempotency_key="open-card-K1").json
    ref = {"number": opened["number"], "phone": "+86 139-0000-1111", "card_no": "K1"}
    done = post(client, world, "orders", order(member={by: ref[by]}), idempotency_key="upload-A1")
    assert done.status_code == 200, done.json
    assert done.json["member"] == opened["member"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"total_fen": 52_001}, 422, "order_mismatch", "total_fen"),
        ({"paid_fen": 52_000}, 422, "order_mismatch", "paid_fen"),
        ({"paid_at": "2999-01-01T00:00:00+08:00"}, 422, "order_mismatch", "paid_at"),
        ({"redemptions": ["rdm_0000000000001"]}, 422, "order_mismatch", "redemptions[0]"),
        ({"redemptions": ["nonsense"]}, 422, "order_mismatch", "redemptions[0]"),
        ({"member": {"phone": "13900002222"}}, 422, "member_unknown", "member"),
        ({"member": {"card_no": "nobody"}}, 422, "member_unknown", "member"),
        ({"guide": "nobody"}, 422, "guide_unknown", "guide"),
        ({"store": "S002"}, 404, "store_unknown", None),
        ({"store": "S999"}, 404, "store_unknown", None),
        ({"member": {}}, 422, "invalid", None),
        ({"lines": []}, 422, "invalid", None),
        ({"paid_at": "2026-01-01T00:00:00"}, 422, "invalid", None),
        ({"channel": "street"}, 422, "invalid", None),
        ({"surprise": 1}, 422, "invalid", None),
        ({"order_no": "A\x00"}, 422, "invalid", None),
        ({"member": {"phone": "12345"}}, 422, "phone_invalid", None),
    ],
)
def test_what_is_wrong_changes_nothing(
    client: Any, world: World, member_id: int, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    refused = post(client, world, "orders", order(**changes), idempotency_key="upload-A1")
    assert (refused.status_code, refused.json["code"]) == (status, code), refused.json
    assert refused.json["data"].get("field") == field
    assert (count(SalesOrder), count(Journal)) == (0, 0)
    # The key was not used up by the refusal.
    assert post(client, world, "orders", order(), idempotency_key="upload-A1").status_code == 200


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"amount_fen": 2_001}, "lines[1].amount_fen"),
        ({"discount_fen": 2_001}, "lines[1].discount_fen"),
        ({"line_no": 1}, "lines[1].line_no"),
    ],
)
def test_a_line_that_does_not_add_up_is_named(
    client: Any, world: World, member_id: int, line: dict[str, int], field: str
) -> None:
    body = order()
    body["lines"][1] |= line
    refused = post(client, world, "orders", body, idempotency_key="upload-A1")
    assert (refused.status_code, refused.json["data"]) == (422, {"field": field})


def test_a_key_and_a_signature_are_needed(client: Any, world: World, member_id: int) -> None:
    assert post(client, world, "orders", order()).json["code"] == "idempotency_key_missing"
    forged = post(client, world, "orders", order(), idempotency_key="upload-A1", Signature="0" * 64)
    assert (forged.status_code, forged.json["code"]) == (401, "bad_signature")
    assert count(SalesOrder) == 0


class TestRedemptions:
    """Coupons used on an order must be that order's, and its discounts must hold them."""

    @pytest.fixture
    def redemption(self, world: World, member_id: int) -> Any:
        """500 fen off lines of 2000 and 1000, of order A1 in S001."""
        mine = coupon(world, member_id=member_id)
        till = coupons.Till(world.brand_id, world.store.id, None, None, "till", "till", world.till.id)
        lines = [Line(1, "S", "shoes", 1, 2_000), Line(2, "S", "shoes", 1, 1_000)]
        key = coupons.Key("pos:1", "redeem-A1", b"1")
        return coupons.redeem(till=till, key=key, code=mine.code, order_no="A1", lines=lines)

    def body(self, redemption: Any, order_no: str = "A1", *, off: tuple[int, int] = (333, 167)) -> dict[str, Any]:
        lines = [
            {"line_no": number, "sku": "S", "name": "鞋", "category": "shoes", "quantity": 1, "unit_fen": fen,
             "amount_fen": fen, "discount_fen": discount}
            for number, fen, discount in ((1, 2_000, off[0]), (2, 1_000, off[1]))
        ]  # fmt: skip
        return order(order_no, lines=lines, redemptions=[ids.encode("rdm", redemption.redemption_id)])

    def test_belong_to_the_order(self, client: Any, world: World, redemption: Any) -> None:
        done = post(client, world, "orders", self.body(redemption), idempotency_key="upload-A1")
        assert (done.status_code, done.json["paid_fen"], done.json["points"]) == (200, 2_500, 25), done.json
        assert broken() == []

    def test_name_the_member_when_the_till_does_not(
        self, client: Any, world: World, member_id: int, redemption: Any
    ) -> None:
        body = self.body(redemption) | {"member": None}
        done = post(client, world, "orders", body, idempotency_key="upload-A1")
        assert done.json["member"] == ids.encode("mbr", member_id)

    def test_of_another_order_are_refused(self, client: Any, world: World, redemption: Any) -> None:
        refused = post(client, world, "orders", self.body(redemption, "A2"), idempotency_key="upload-A2")
        assert (refused.status_code, refused.json["data"]) == (422, {"field": "redemptions[0]"})
        assert count(SalesOrder) == 0

    def test_of_another_member_are_refused(self, client: Any, world: World, redemption: Any) -> None:
        with transaction():
            make_member(world, phone="13900003333")
        body = self.body(redemption) | {"member": {"phone": "13900003333"}}
        refused = post(client, world, "orders", body, idempotency_key="upload-A1")
        assert (refused.status_code, refused.json["data"]) == (422, {"field": "redemptions[0]"})

    def test_given_back_are_refused(self, client: Any, world: World, redemption: Any) -> None:
        with transaction():
            coupons.give_back(brand_id=world.brand_id, redemption_id=redemption.redemption_id)
        refused = post(client, world, "orders", self.body(redemption), idempotency_key="upload-A1")
        assert (refused.status_code, refused.json["data"]) == (422, {"field": "redemptions[0]"})

    def test_must_be_in_the_discounts(self, client: Any, world: World, redemption: Any) -> None:
        refused = post(client, world, "orders", self.body(redemption, off=(333, 166)), idempotency_key="upload-A1")
        assert (refused.status_code, refused.json["data"]) == (422, {"field": "lines[1].discount_fen"})
        more = post(client, world, "orders", self.body(redemption, off=(400, 300)), idempotency_key="upload-A1")
        assert more.status_code == 200  # the till may give more than the coupon


def test_members_of_another_brand_are_not_found(client: Any, world: World, member_id: int) -> None:
    other = make_world()
    with transaction():
        theirs = members.member(other.brand_id, make_member(other, phone="13900004444"))
    assert theirs is not None
    for ref in ({"number": theirs.number}, {"phone": "13900004444"}):
        refused = post(client, world, "orders", order(member=ref), idempotency_key="upload-A1")
        assert (refused.status_code, refused.json["code"]) == (422, "member_unknown")
