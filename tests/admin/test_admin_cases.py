"""Reviews, merges, blocked values and people of the group, over HTTP: what is shown, what is decided, who may."""

from __future__ import annotations

from typing import Any

import pytest
from console_world import bearer, make_admins
from contradictions import PHONE, contradiction, openid
from factories import World, make_world
from invariants import broken
from sqlalchemy import select

from app.core import audit, clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.flows import people, till_member
from app.identity import queries as identity
from app.identity.models import IdentityReview, PersonMerge
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as member_queries
from app.org.models import AdminUser
from app.points import queries as point_queries
from app.privacy import commands as privacy

API = "/api/admin/v1"


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("") == []


@pytest.fixture
def hq(world: World) -> dict[str, str]:
    return bearer(world.admin)


def balance(world: World, member_id: int) -> int:
    return point_queries.balances(world.brand_id, member_id)["points"]


def actions() -> list[str]:
    return [row.action for row in audit.entries(actors=None, limit=20)]


def test_a_case_shows_both_sides_masked(client: Any, world: World, hq: Any) -> None:
    review, old, young = contradiction(world)
    listed = client.get(f"{API}/reviews", headers=hq).json
    assert [one["id"] for one in listed["items"]] == [review] and listed["items"][0]["reason"] == "two_members"
    answer = client.get(f"{API}/reviews/{review}", headers=hq)
    case = answer.json
    assert {side["member"] for side in case["sides"]} == {ids.encode("mbr", one) for one in (old, young)}
    rich = next(side for side in case["sides"] if side["points"])
    assert (rich["points"], rich["card_no"], rich["name"]) == (300, "C1", "王**")
    told = {each["kind"]: each for each in rich["evidence"]}
    assert (told["card"]["strength"], told["mobile"]["shown"], told["mobile"]["source"]) == (
        "weak",
        "137****5678",
        "till",
    )
    assert PHONE not in answer.text and "openid-of-a" not in answer.text
    assert "reviews.viewed" in actions()


def test_a_decision_to_merge_moves_the_wallet_once(client: Any, world: World, hq: Any) -> None:
    review, old, young = contradiction(world)
    for _ in range(2):
        answer = client.post(f"{API}/reviews/{review}/decision", headers=hq, json={"same": True, "reason": "电话核实"})
        assert answer.status_code == 200 and answer.json["status"] == "merged", answer.text
    assert (answer.json["decided_by"], answer.json["decision"]) == (ids.encode("adm", world.admin.id), "电话核实")
    winner = member_queries.living(world.brand_id, young)
    assert winner.member_id == old == member_queries.living(world.brand_id, old).member_id
    assert balance(world, old) == 300
    assert actions().count("reviews.merged") == 2


def test_what_was_kept_apart_stays_apart_and_may_be_merged_later(client: Any, world: World, hq: Any) -> None:
    review, old, young = contradiction(world)
    url = f"{API}/reviews/{review}/decision"
    assert client.post(url, headers=hq, json={"same": False, "reason": "两位顾客"}).json["status"] == "kept_apart"
    with transaction():
        again = people.link(brand_id=world.brand_id, ids=[openid(world, "a"), mobile(PHONE)], source="mall")
    assert (ids.encode("rev", again.conflict), again.reason) == (review, "kept_apart")
    assert session.scalars(select(IdentityReview)).all().__len__() == 1
    assert client.post(url, headers=hq, json={"same": True, "reason": "弄错了"}).json["status"] == "merged"
    refused = client.post(url, headers=hq, json={"same": False, "reason": "再想想"})
    assert (refused.status_code, refused.json["code"]) == (409, "review_closed")
    assert member_queries.living(world.brand_id, young).member_id == old


def test_differing_unionids_cannot_be_decided_away(client: Any, world: World, hq: Any) -> None:
    with transaction():
        people.link(
            brand_id=world.brand_id,
            ids=[Identity("unionid", "open1", "union-old"), mobile(PHONE)],
            source="miniapp.login",
        )
    review, *_ = contradiction(world, unionid="union-new")
    answer = client.post(f"{API}/reviews/{review}/decision", headers=hq, json={"same": True, "reason": "电话核实"})
    assert (answer.status_code, answer.json["code"]) == (409, "identity_conflict")
    assert client.get(f"{API}/reviews/{review}", headers=hq).json["status"] == "open"


def test_a_merge_is_listed_and_taken_back(client: Any, world: World, hq: Any) -> None:
    review, old, young = contradiction(world)
    client.post(f"{API}/reviews/{review}/decision", headers=hq, json={"same": True, "reason": "电话核实"})
    number = member_queries.member(world.brand_id, young).number
    # The page of the member that was merged away is the winner's.
    lines = client.get(f"{API}/members/{ids.encode('mbr', young)}/merges", headers=hq).json["items"]
    assert [(line["loser_number"], line["revoked_at"]) for line in lines] == [(number, None)]
    url = f"{API}/merges/{lines[0]['id']}/split"
    for done in (True, False):
        answer = client.post(url, headers=hq, json={"reason": "两位顾客"})
        assert answer.status_code == 200 and answer.json["done"] is done
    assert member_queries.living(world.brand_id, young).member_id == young
    assert (balance(world, old), balance(world, young)) == (300, 0)
    assert "people.split" in actions()
    kept = client.get(f"{API}/reviews?status=kept_apart", headers=hq).json["items"]
    assert [one["reason"] for one in kept] == ["split"]
    assert client.get(f"{API}/members/{ids.encode('mbr', old)}/merges", headers=hq).json["items"][0]["revoked_by"]


def test_another_brand_sees_and_decides_nothing(client: Any, world: World, hq: Any) -> None:
    review, old, young = contradiction(world)
    stranger = bearer(make_world().admin)
    body = {"same": True, "reason": "电话核实"}
    assert client.get(f"{API}/reviews", headers=stranger).json["items"] == []
    assert client.get(f"{API}/reviews/{review}", headers=stranger).status_code == 404
    assert client.post(f"{API}/reviews/{review}/decision", headers=stranger, json=body).status_code == 404
    client.post(f"{API}/reviews/{review}/decision", headers=hq, json=body)
    merge = ids.encode("mrg", session.scalars(select(PersonMerge.merge_id)).one())
    assert client.post(f"{API}/merges/{merge}/split", headers=stranger, json={"reason": "xx"}).status_code == 404
    assert member_queries.living(world.brand_id, young).member_id == old


@pytest.fixture
def group(world: World) -> dict[str, str]:
    """A user of the whole group."""
    with transaction():
        user = AdminUser(login="group", name="集团", password_hash="", role="hq", brand_id=None)
        session.add(user)
        session.flush()
    return bearer(user)


def test_two_brands_are_decided_by_the_group(client: Any, world: World, hq: Any, group: Any) -> None:
    """The case belongs to one brand, and a merge would touch the wallets of another."""
    review, old, young = contradiction(world)
    other = make_world()
    with transaction():
        person = member_queries.member(world.brand_id, old).person_id
        members.join(brand_id=other.brand_id, person_id=person, source="till")
    url, body = f"{API}/reviews/{review}/decision", {"same": True, "reason": "电话核实"}
    answer = client.post(url, headers=hq, json=body)
    assert (answer.status_code, answer.json["code"]) == (403, "group_decision")
    sides = client.get(f"{API}/reviews/{review}", headers=hq).json["sides"]
    assert sorted(side["elsewhere"] for side in sides) == [False, True]
    brand = ids.encode("brd", world.brand_id)
    assert client.post(f"{url}?brand={brand}", headers=group, json=body).status_code == 200
    merge = ids.encode("mrg", session.scalars(select(PersonMerge.merge_id)).one())
    refused = client.post(f"{API}/merges/{merge}/split", headers=hq, json={"reason": "两位顾客"})
    assert refused.json["code"] == "group_decision"
    done = client.post(f"{API}/merges/{merge}/split?brand={brand}", headers=group, json={"reason": "两位顾客"})
    assert done.json["done"] is True


def test_a_persons_brands_are_the_groups_to_see_as_far_as_they_agreed(
    client: Any, world: World, hq: Any, group: Any
) -> None:
    with transaction():
        here = till_member.open_card(brand_id=world.brand_id, store_id=world.store.id, card_no="C1", phone=PHONE).member
    other = make_world()
    with transaction():
        there = till_member.open_card(
            brand_id=other.brand_id, store_id=other.store.id, card_no="C1", phone=PHONE
        ).member
    assert here.person_id == there.person_id and here.member_id != there.member_id
    url = f"{API}/people/{ids.encode('prs', here.person_id)}"
    own = client.get(url, headers=hq).json["memberships"]
    assert [one["member"] for one in own] == [ids.encode("mbr", here.member_id)]
    assert client.get(url, headers=bearer(make_world().admin)).status_code == 404
    assert client.get(url, headers=group).json["memberships"] == []
    with transaction():
        privacy.publish_policy(brand_id=other.brand_id, version="1", digest="0" * 64, url=None, valid_from=clock.now())
    with transaction():
        privacy.record(
            brand_id=other.brand_id,
            person_id=there.person_id,
            purpose="group_sharing",
            channel="any",
            granted=True,
            source="admin",
            ref="paper-1",
            evidence={},
        )
    seen = client.get(url, headers=group).json["memberships"]
    assert [one["member"] for one in seen] == [ids.encode("mbr", there.member_id)]
    assert "people.viewed" in actions()
    # And a brand's user finds nobody of the other brand.
    for text in (ids.encode("mbr", there.member_id), there.number):
        assert client.get(f"{API}/members?q={text}", headers=hq).json["items"] == []
    assert client.get(f"{API}/members/{ids.encode('mbr', there.member_id)}", headers=hq).status_code == 404
    found = client.get(f"{API}/members?q={PHONE}", headers=hq).json["items"]
    assert [one["id"] for one in found] == [ids.encode("mbr", here.member_id)]


def test_only_headquarters(client: Any, world: World) -> None:
    review, *_ = contradiction(world)
    admins = make_admins(world)
    for role, user in admins.items():
        status = client.get(f"{API}/reviews/{review}", headers=bearer(user)).status_code
        assert status == (200 if user.role == "hq" else 403), role


def test_a_value_is_blocked_listed_and_let_go(client: Any, world: World, hq: Any) -> None:
    body = {"kind": "mobile", "value": "13700001234", "reason": "门店公用"}
    made = client.post(f"{API}/blocked-values", headers=hq, json=body)
    assert made.status_code == 201 and "13700001234" not in made.text
    (row,) = made.json["items"]
    assert (row["shown"], row["reason"]) == ("137****1234", "门店公用")
    assert identity.refused([mobile("13700001234")])
    assert client.post(f"{API}/blocked-values", headers=hq, json=body).json["code"] == "already_blocked"
    assert (
        client.post(f"{API}/blocked-values", headers=hq, json={**body, "value": "12"}).json["code"] == "phone_invalid"
    )
    gone = client.delete(f"{API}/blocked-values/mobile/{row['key']}", headers=hq)
    assert gone.status_code == 200 and gone.json["items"] == []
    assert client.delete(f"{API}/blocked-values/mobile/{row['key']}", headers=hq).status_code == 404
    assert not identity.refused([mobile("13700001234")])
    make_world()  # where there are several brands, a brand's own user does not decide for all
    assert client.post(f"{API}/blocked-values", headers=hq, json=body).json["code"] == "group_decision"


def test_the_pages_show_and_do_the_same(client: Any, world: World, hq: Any) -> None:
    review, old, young = contradiction(world)
    queue = client.get("/console/reviews", headers=hq)
    assert queue.status_code == 200 and "同一手机号对应两个会员" in queue.text
    page = client.get(f"/console/reviews/{review}", headers=hq)
    assert "保持独立" in page.text and "137****5678" in page.text and PHONE not in page.text
    assert "请填写原因" in client.post(f"/console/reviews/{review}", headers=hq, data={"same": "yes"}).text
    done = client.post(f"/console/reviews/{review}", headers=hq, data={"same": "yes", "reason": "电话核实"})
    assert done.status_code == 302 and member_queries.living(world.brand_id, young).member_id == old
    panel_url = f"/console/members/{ids.encode('mbr', old)}/merges"
    panel = client.get(panel_url, headers=hq).text
    merge = ids.encode("mrg", session.scalars(select(PersonMerge.merge_id)).one())
    assert merge in panel and "人工审核" in panel
    after = client.post(f"{panel_url}/{merge}", headers=hq, data={"reason": "两位顾客"}).text
    assert "已拆分" in after and member_queries.living(world.brand_id, young).member_id == young
    assert "保持独立" in client.get("/console/reviews?status=kept_apart", headers=hq).text
    blocked = client.post(
        "/console/blocked", headers=hq, data={"kind": "mobile", "value": "13700001234", "reason": "门店公用"}
    )
    assert blocked.status_code == 302 and "137****1234" in client.get("/console/blocked", headers=hq).text
