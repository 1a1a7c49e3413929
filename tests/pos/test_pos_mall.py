"""Mall accounts over HTTP: one person with card, phone and WeChat; contradictions wait for a human."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from at_once import at_once
from coupon_factories import post
from factories import World, make_world
from invariants import broken
from loyalty import set_rules
from people import make_member
from sqlalchemy import func, select

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.flows import mall_account
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.models import IdentityReview
from app.identity.rules import Identity, mobile
from app.members import queries as members
from app.members.models import Member
from app.pos import auth
from app.sales.models import SalesOrder

PHONE = "13700001111"
UNION = "oUNIONIDOFANNA01"
BODY = {"account": "M-1", "phone": PHONE, "name": "王小美", "store": "S001"}


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("identity.", "members.") == []


def tell(client: Any, world: World, key: str = "mall-key-1", **changes: Any) -> Any:
    body = {name: value for name, value in (BODY | changes).items() if value is not None}
    return post(client, world, "mall-accounts", body, idempotency_key=key)


def look_up(client: Any, world: World, **query: str) -> Any:
    target, timestamp = f"/api/pos/v1/members?{urlencode(query)}", str(int(time.time()))
    signature = auth.signature(world.till_secret.encode(), method="GET", target=target, timestamp=timestamp)
    headers = {"X-Siyu-Key": world.till.key_id, "X-Siyu-Timestamp": timestamp, "X-Siyu-Signature": signature}
    return client.get(target, headers=headers)


def order(member: dict[str, str], order_no: str = "T1") -> dict[str, Any]:
    line = {"line_no": 1, "sku": "S1", "name": "羽绒服", "quantity": 1, "unit_fen": 5000, "amount_fen": 5000}
    paid_at = (clock.now() - timedelta(minutes=1)).isoformat()
    return {
        "order_no": order_no,
        "store": "S001",
        "channel": "mall",
        "member": member,
        "paid_at": paid_at,
        "lines": [line],
    }


def count(model: Any) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_an_account_makes_a_member_once(client: Any, world: World) -> None:
    first = tell(client, world)
    assert first.status_code == 200, first.json
    assert first.json["new"] and not first.json["review"]
    assert (first.json["account"], first.json["system"]) == ("M-1", "mall")
    again = tell(client, world, key="mall-key-2")
    assert again.json == first.json | {"new": False}
    (member,) = session.scalars(select(Member))
    assert (member.source, member.phone_tail, member.home_store_id) == ("mall", "1111", world.store.id)
    assert tell(client, world).json == first.json  # the same key: the same answer
    assert tell(client, world, name="别人").status_code == 409  # the same key, another body


def test_card_phone_mall_and_mini_program_are_one_member(client: Any, world: World) -> None:
    with transaction():
        member_id = make_member(world, phone=PHONE)
    told = tell(client, world).json
    assert (told["member"], told["new"], told["review"]) == (ids.encode("mbr", member_id), False, False)
    for query in ({"mall_account": "M-1"}, {"phone": PHONE}, {"mall_account": "M-1", "mall_system": "mall"}):
        assert look_up(client, world, **query).json["member"] == told["member"], query


def test_a_unionid_decides_whose_account_it_is(client: Any, world: World) -> None:
    with transaction():
        person = identity.link(ids=[Identity("unionid", "open1", UNION)], source="test").person_id
    told = tell(client, world, unionid=UNION, phone=None)
    assert told.json["new"] and not told.json["review"]
    assert members.member_of(world.brand_id, person).member_id == ids.decode("mbr", told.json["member"])


def test_two_accounts_of_one_phone_stay_apart(client: Any, world: World) -> None:
    first, second = tell(client, world).json, tell(client, world, key="mall-key-2", account="M-2").json
    assert second["review"] and second["new"] and second["member"] != first["member"]
    assert session.scalars(select(IdentityReview)).one().reason == "differing_mall"
    assert look_up(client, world, phone=PHONE).json["member"] == first["member"]
    assert look_up(client, world, mall_account="M-2").json["member"] == second["member"]
    assert look_up(client, world, mall_account="M-2").json["phone"] is None


def test_the_same_number_in_two_malls_is_two_accounts_of_one_member(client: Any, world: World) -> None:
    first = tell(client, world).json
    second = tell(client, world, key="mall-key-2", system="tmall").json
    assert (second["member"], second["review"]) == (first["member"], False)
    assert look_up(client, world, mall_account="M-1", mall_system="jd").status_code == 404


def test_a_unionid_of_another_member_moves_no_wallet(client: Any, world: World) -> None:
    first = tell(client, world).json
    with transaction():
        other = make_member(world, phone="13700002222")
        person = members.member(world.brand_id, other).person_id
        key = identity_queries.person_of(mobile("13700002222"))
        assert key == person
        identity.link(ids=[mobile("13700002222"), Identity("unionid", "open1", UNION)], source="test")
    second = tell(client, world, key="mall-key-2", unionid=UNION)
    assert second.json["review"] and second.json["member"] == first["member"]
    assert session.scalars(select(IdentityReview)).one().reason == "two_members"
    assert count(Member) == 2


def test_a_differing_unionid_is_put_up_for_review(client: Any, world: World) -> None:
    first = tell(client, world, unionid=UNION).json
    second = tell(client, world, key="mall-key-2", unionid="oANOTHERUNIONID01").json
    assert second["review"] and second["member"] == first["member"]
    assert session.scalars(select(IdentityReview)).one().reason == "differing_unionid"


def test_an_order_names_its_buyer_by_mall_account(client: Any, world: World) -> None:
    set_rules(world.brand_id)
    told = tell(client, world).json
    paid = post(client, world, "orders", order({"mall_account": "M-1"}), idempotency_key="order-key-1")
    assert paid.status_code == 200 and paid.json["member"] == told["member"] and paid.json["points"] == 50
    unknown = post(client, world, "orders", order({"mall_account": "M-9"}, "T2"), idempotency_key="order-key-2")
    assert (unknown.status_code, unknown.json["code"]) == (422, "member_unknown")
    nobody = post(client, world, "orders", order({"mall_system": "mall"}, "T3"), idempotency_key="order-key-3")
    assert nobody.status_code == 422 and count(SalesOrder) == 1


def test_another_brands_mall_is_another_mall(client: Any, world: World) -> None:
    tell(client, world)
    other = make_world()
    assert look_up(client, other, mall_account="M-1").status_code == 404


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"phone": None}, 422, "invalid"),
        ({"phone": "not a phone"}, 422, "phone_invalid"),
        ({"account": ""}, 422, "invalid"),
        ({"account": "x" * 65}, 422, "invalid"),
        ({"account": "a\u202eb"}, 422, "invalid"),
        ({"account": "null"}, 200, None),
        ({"system": "Big Mall"}, 422, "invalid"),
        ({"system": "mall\n"}, 422, "invalid"),
        ({"unionid": "x"}, 422, "invalid"),
        ({"unionid": "o'; DROP TABLE member"}, 422, "invalid"),
        ({"store": "S002"}, 404, "store_unknown"),
        ({"registered_at": "2999-01-01T00:00:00+08:00"}, 422, "invalid"),
    ],
)
def test_hostile_accounts(client: Any, world: World, changes: dict[str, Any], status: int, code: str | None) -> None:
    body = {name: value for name, value in (BODY | changes).items() if value is not None}
    answer = post(client, world, "mall-accounts", body, idempotency_key="mall-key-1")
    assert (answer.status_code, answer.json.get("code")) == (status, code), answer.json
    if status != 200:
        assert count(Member) == 0


def test_an_unsigned_caller_learns_nothing(client: Any, world: World) -> None:
    assert client.post("/api/pos/v1/mall-accounts", json=BODY).status_code == 401
    data = json.dumps(BODY).encode()
    forged = post(client, world, "mall-accounts", None, raw=data, idempotency_key="mall-key-1", Signature="0" * 64)
    assert forged.status_code == 401 and count(Member) == 0


def test_one_account_told_by_many_at_once_is_one_member(app: Any, world: World) -> None:
    def told() -> int:
        with transaction():
            return mall_account.tell(brand_id=world.brand_id, account="M-1", phone=PHONE).member.member_id

    answers = at_once(app, [told] * 6)
    assert len({answer for answer in answers if answer != "busy"}) == 1 and count(Member) == 1
