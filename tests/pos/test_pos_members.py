"""Store cards and look-ups over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from coupon_factories import post
from factories import World
from invariants import broken
from loyalty import set_rules
from people import make_member

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.identity.models import IdentityReview
from app.members import queries as members
from app.members.models import Member
from app.pos import auth

CARD = {"card_no": "K100", "phone": "13900001111", "store": "S001", "name": "王小美"}


def get(client: Any, world: World, query: str) -> Any:
    target, timestamp = "/api/pos/v1/members" + (query and f"?{query}"), str(int(time.time()))
    signature = auth.signature(world.till_secret.encode(), method="GET", target=target, timestamp=timestamp)
    headers = {"X-Siyu-Key": world.till.key_id, "X-Siyu-Timestamp": timestamp, "X-Siyu-Signature": signature}
    return client.get(target, headers=headers)


def row(world: World, public_id: str) -> Member:
    with transaction():
        found = members.member(world.brand_id, ids.decode("mbr", public_id))
    assert found is not None
    return found


def test_a_card_with_history_is_imported_once(client: Any, world: World, run_work: Callable[[], int]) -> None:
    set_rules(world.brand_id)
    body = CARD | {"opened_at": "2024-05-01T10:00:00+08:00", "birthday": "1990-02-03"}
    first = post(client, world, "members", body, idempotency_key="open-K100")
    assert first.status_code == 200, first.json
    assert first.json["new"] and not first.json["review"] and first.json["card_no"] == "K100"
    again = post(client, world, "members", body, idempotency_key="open-K100-again")
    assert again.json == first.json | {"new": False}
    member = row(world, first.json["member"])
    assert (member.source, member.card_no, member.phone_tail) == ("till", "K100", "1111")
    assert (member.joined_at, member.birthday) == (datetime(2024, 5, 1, 2, tzinfo=UTC), date(1990, 2, 3))
    assert member.home_store_id == world.store.id
    run_work()
    shown = get(client, world, "phone=13900001111")
    assert shown.status_code == 200, shown.json
    assert shown.json["tier"]["code"] == "bronze"
    assert broken() == []


def test_a_card_joins_the_member_who_has_the_phone(client: Any, world: World) -> None:
    with transaction():
        member_id = make_member(world, phone="13900001111")
    opened = post(client, world, "members", CARD, idempotency_key="open-K100").json
    assert (opened["member"], opened["new"]) == (ids.encode("mbr", member_id), False)
    assert row(world, opened["member"]).card_no == "K100"


def test_another_card_does_not_take_a_phone_over(client: Any, world: World) -> None:
    first = post(client, world, "members", CARD, idempotency_key="open-K100").json
    second = post(client, world, "members", CARD | {"card_no": "K200"}, idempotency_key="open-K200").json
    assert second["review"] and second["new"] and second["member"] != first["member"]
    assert row(world, second["member"]).phone_tail is None
    with transaction():
        assert session.query(IdentityReview).one().reason == "differing_card"
    assert get(client, world, "phone=13900001111").json["member"] == first["member"]
    assert get(client, world, "card_no=K200").json["member"] == second["member"]


def test_a_look_up_shows_masked_facts(client: Any, world: World) -> None:
    opened = post(client, world, "members", CARD, idempotency_key="open-K100").json
    shown = get(client, world, f"number={opened['number']}")
    assert shown.json == {
        "member": opened["member"],
        "number": opened["number"],
        "card_no": "K100",
        "name": "王**",
        "phone": "139****1111",
        "status": "active",
        "tier": None,
        "points": 0,
        "growth": 0,
        "coupons": 0,
    }
    assert "13900001111" not in json.dumps(shown.json)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("phone=13900009999", 404, "member_unknown"),
        ("number=0000000000", 404, "member_unknown"),
        ("phone=12", 422, "phone_invalid"),
        ("", 422, "invalid"),
        ("phone=13900001111&number=1", 422, "invalid"),
        ("id=1", 422, "invalid"),
    ],
)
def test_a_bad_look_up(client: Any, world: World, query: str, status: int, code: str) -> None:
    answer = get(client, world, query)
    assert (answer.status_code, answer.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"phone": "not a phone"}, 422, "phone_invalid"),
        ({"store": "S002"}, 404, "store_unknown"),
        ({"card_no": ""}, 422, "invalid"),
        ({"opened_at": "2999-01-01T00:00:00+08:00"}, 422, "invalid"),
        ({"birthday": "2999-01-01"}, 422, "invalid"),
    ],
)
def test_a_bad_card_changes_nothing(client: Any, world: World, changes: dict[str, Any], status: int, code: str) -> None:
    refused = post(client, world, "members", CARD | changes, idempotency_key="open-K100")
    assert (refused.status_code, refused.json["code"]) == (status, code), refused.json
    with transaction():
        assert session.query(Member).count() == 0


def test_a_store_landline_or_test_number_identifies_nobody(client: Any, world: World) -> None:
    body = CARD | {"phone": "13800138000"}
    opened = post(client, world, "members", body, idempotency_key="open-K100")
    assert opened.status_code == 200 and opened.json["new"]
    assert get(client, world, "phone=13800138000").status_code == 404
