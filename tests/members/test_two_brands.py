"""One human, two brands of a group: one person, two members, and nothing of the one brand shows in the other."""

from __future__ import annotations

import time
from typing import Any

import pytest
from coupon_factories import campaign, coupon, post
from factories import World, make_world
from invariants import broken
from loyalty import set_rules
from people import make_follow

from app.core import clock, ids, tokens
from app.core.errors import NotFound
from app.core.transaction import run, transaction
from app.coupons import queries as coupon_queries
from app.flows import bind_phone, people, till_member
from app.identity import queries as identity
from app.identity.rules import Identity, mobile
from app.members import queries as members
from app.miniapp import auth as miniapp_auth
from app.points import commands as points
from app.points import queries as point_queries
from app.pos import auth

PHONE = "13712345678"


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("") == []


@pytest.fixture
def other(app: Any) -> World:
    return make_world()


def card(world: World, number: str, worth: int) -> int:
    set_rules(world.brand_id)
    with transaction():
        member_id = till_member.open_card(
            brand_id=world.brand_id, store_id=world.store.id, card_no=number, phone=PHONE, name="王小美"
        ).member.member_id
        points.earn(
            brand_id=world.brand_id,
            member_id=member_id,
            currency="points",
            amount=worth,
            cause=f"test:{number}",
            at=clock.now(),
        )
    return member_id


def looked_up(client: Any, world: World, query: str) -> Any:
    target, stamp = f"/api/pos/v1/members?{query}", str(int(time.time()))
    signature = auth.signature(world.till_secret.encode(), method="GET", target=target, timestamp=stamp)
    headers = {"X-Siyu-Key": world.till.key_id, "X-Siyu-Timestamp": stamp, "X-Siyu-Signature": signature}
    return client.get(target, headers=headers)


def test_each_till_finds_its_own_member_by_the_same_phone(client: Any, world: World, other: World) -> None:
    ours, theirs = card(world, "A1", 100), card(other, "B1", 7)
    with transaction():
        assert members.member(world.brand_id, ours).person_id == members.member(other.brand_id, theirs).person_id  # type: ignore[union-attr]
    for one, member_id, worth in ((world, ours, 100), (other, theirs, 7)):
        found = looked_up(client, one, f"phone={PHONE}").json
        assert (found["member"], found["points"]) == (ids.encode("mbr", member_id), worth)
    with transaction():
        number = members.member(world.brand_id, ours).number  # type: ignore[union-attr]
    assert looked_up(client, other, f"number={number}").status_code == 404
    assert looked_up(client, other, "card_no=A1").status_code == 404


def test_a_shopper_known_to_one_brand_joins_the_other_anew(client: Any, world: World, other: World) -> None:
    """The unionid is the group's, so the other brand's mini-program meets the same person: no member there yet."""
    ours = card(world, "A1", 100)
    union = Identity("unionid", "open1", "u-anna")
    here = Identity("openid", world.miniprogram.namespace, "o-here")
    there = Identity("openid", other.miniprogram.namespace, "o-there")
    run(lambda: people.link(brand_id=world.brand_id, ids=[here, union], source="miniapp.login"))
    run(lambda: bind_phone.bind(brand_id=world.brand_id, openid=here, phone=PHONE))
    person_id = run(lambda: people.link(brand_id=other.brand_id, ids=[there, union], source="miniapp.login")).person_id
    token, _ = miniapp_auth.issue(brand_id=other.brand_id, person_id=person_id, openid="o-there")
    headers = {"Authorization": f"Bearer {token}"}
    before = client.get("/api/miniapp/v1/me", headers=headers).json
    assert before["bound"] is False and before["member"] is None and before["points"] == 0
    bound = run(lambda: bind_phone.bind(brand_id=other.brand_id, openid=there, phone=PHONE))
    assert bound.member is not None and bound.member.member_id != ours
    me = client.get("/api/miniapp/v1/me", headers=headers).json
    assert (me["bound"], me["points"], me["member"]["name"]) == (True, 0, None)
    with transaction():
        assert identity.person_of(mobile(PHONE)) == identity.resolve(person_id)
        assert point_queries.balances(world.brand_id, ours)["points"] == 100


def test_a_coupon_of_one_brand_is_nothing_in_the_other(client: Any, world: World, other: World) -> None:
    ours, theirs = card(world, "A1", 100), card(other, "B1", 7)
    mine = coupon(world, campaign(world), member_id=ours)
    with transaction():
        assert coupon_queries.counts(other.brand_id, theirs)["usable"] == 0
        with pytest.raises(NotFound):
            coupon_queries.owned(other.brand_id, theirs, mine.coupon_id)
    body = {"code": mine.code, "order_no": "O1", "store": "S001", "lines": [_line()]}
    refused = post(client, other, "redemptions", body, idempotency_key="two-brands-1")
    assert refused.status_code == 404, refused.json


def test_a_guide_sees_no_member_of_the_other_brand(client: Any, world: World, other: World) -> None:
    """The customer added a guide of the other brand, who knows nothing of the card of this one."""
    card(world, "A1", 100)
    external = Identity("external_userid", other.wecom.namespace, "wm-anna")
    person_id = run(
        lambda: people.link(brand_id=other.brand_id, ids=[external, mobile(PHONE)], source="test")
    ).person_id
    with transaction():
        assert person_id == identity.person_of(mobile(PHONE))
        make_follow(other, other.guide, external_userid="wm-anna", person_id=person_id)
    token, _ = tokens.issue("sidebar", {"sub": ids.encode("gde", other.guide.id)})
    client.set_cookie("siyu_sidebar", token)
    seen = client.get("/api/sidebar/v1/customers/wm-anna")
    assert seen.status_code == 200 and seen.json["member"] is None, seen.json
    assert "A1" not in seen.text and "王" not in seen.text
    card(other, "B1", 7)
    assert client.get("/api/sidebar/v1/customers/wm-anna").json["member"]["points"] == 7


def _line() -> dict[str, Any]:
    return {"line_no": 1, "sku": "SKU-1", "category": "shoes", "quantity": 1, "amount_fen": 2000}
