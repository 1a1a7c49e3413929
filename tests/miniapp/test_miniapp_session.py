"""Logging in and binding a phone over HTTP, with the simulator behind the gateways."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from invariants import broken
from mini_phone import API, PHONE, Phone
from sqlalchemy import delete, func, select

from app.core import clock, ids, tokens
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows import merge, split
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.models import IdentityReview, IdentityRow, Person, PersonMerge
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as member_queries
from app.members.models import Member
from app.miniapp import auth


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("identity.", "members.") == []


@pytest.fixture
def anna(tencent) -> Phone:
    tencent.customer("anna", phone=PHONE)
    return Phone(tencent, "anna")


def till_card(world, *, card: str = "C1", phone: str = PHONE, name: str = "王小美") -> int:
    """A store card that the till imported; its member id."""
    with transaction():
        linked = identity.link(ids=[Identity("card", "till", card), mobile(phone)], source="till")
        return members.join(
            brand_id=world.brand_id,
            person_id=linked.person_id,
            source="till",
            store_id=world.store.id,
            card_no=card,
            name=name,
        )


def count(model: type) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def bound_events() -> list[dict[str, Any]]:
    return [row.payload for row in session.scalars(select(Outbox).where(Outbox.name == "members.bound"))]


def follow(tencent, run_work, name: str = "anna", userid: str = "guide1") -> None:  # type: ignore[no-untyped-def]
    tencent.add(name, userid=userid)
    tencent.deliver()
    run_work()


def test_a_login_answers_a_token_and_opens_no_membership(anna) -> None:
    answer = anna.login()
    assert answer.status_code == 200 and answer.json["bound"] is False and answer.json["member"] is None
    assert answer.json["expires_in"] == 7200
    assert count(Member) == 0 and count(Person) == 1
    me = anna.get("me")
    assert me.status_code == 200 and me.json["bound"] is False and me.json["member"] is None


def test_neither_openid_nor_session_key_leaves_the_server(anna, tencent) -> None:
    answer = anna.login()
    claims = tokens.read("miniapp", anna.token)
    openid = tencent.customer("anna").openids[tencent.appid]
    assert openid not in answer.text and openid not in str(claims) and "session_key" not in answer.text


def test_the_whole_way_to_one_member(anna, tencent, world, run_work) -> None:
    follow(tencent, run_work)
    with_guide = identity_queries.person_of(Identity("external_userid", tencent.corp_id, tencent.external("anna")))
    member_id = till_card(world)
    anna.login()
    answer = anna.bind()
    assert answer.status_code == 200, answer.text
    assert answer.json["phone"] == "137****5678" and answer.json["name"] == "王小美" and answer.json["bound_at"]

    member = member_queries.member_of(world.brand_id, with_guide)
    assert member.member_id == member_id and member.card_no == "C1" and member.guide_id == world.guide.id
    assert member.phone_tail == "5678" and count(Member) == 1
    roots = {identity_queries.resolve(person) for person in session.scalars(select(Person.person_id))}
    assert roots == {with_guide}  # the oldest
    assert bound_events() == [
        {
            "brand_id": world.brand_id,
            "member_id": member_id,
            "person_id": with_guide,
            "guide_id": world.guide.id,
            "store_id": world.store.id,
        }
    ]
    run_work()
    me = anna.get("me").json
    assert me["bound"] is True and me["member"]["number"] == member.number


def test_binding_again_changes_nothing(anna, world) -> None:
    till_card(world)
    anna.login()
    first, again = anna.bind(), anna.bind()
    assert first.json == again.json
    assert len(bound_events()) == 1 and count(Member) == 1


def test_a_phone_nobody_knows_makes_a_new_member_of_the_guides_store(anna, tencent, world, run_work) -> None:
    follow(tencent, run_work, userid="guide3")
    anna.login()
    assert anna.bind().status_code == 200
    (member,) = session.scalars(select(Member))
    assert (member.source, member.home_store_id, member.guide_id) == (
        "miniapp",
        world.stores[1].id,
        world.guides[2].id,
    )


def test_a_guide_added_after_binding_becomes_the_owner(anna, tencent, world, run_work) -> None:
    anna.login()
    anna.bind()
    follow(tencent, run_work)
    (member,) = session.scalars(select(Member).execution_options(populate_existing=True))
    assert member.guide_id == world.guide.id and len(bound_events()) == 1


def test_a_card_imported_after_binding_joins_the_same_member(anna, world) -> None:
    anna.login()
    number = anna.bind().json["number"]
    member_id = till_card(world)
    member = member_queries.by_number(world.brand_id, number)
    assert member.member_id == member_id and member.card_no == "C1" and member.plain_name == "王小美"


def test_the_token_survives_a_merge(anna, tencent, world, run_work) -> None:
    till_card(world)
    anna.login()
    given_to = ids.decode("prs", tokens.read("miniapp", anna.token)["sub"])
    anna.bind()
    assert identity_queries.resolve(given_to) != given_to
    assert anna.get("me").json["bound"] is True
    anna.login()  # a token still names whom the openid was given to, and means who they are now
    assert ids.decode("prs", tokens.read("miniapp", anna.token)["sub"]) == given_to
    assert anna.get("me").json["bound"] is True


def test_a_replayed_login_code_is_refused(anna, tencent) -> None:
    code = tencent.login_code("anna")
    assert anna.login(code).status_code == 200
    rows = count(IdentityRow)
    answer = anna.login(code)
    assert (answer.status_code, answer.json["code"]) == (401, "login_code_used")
    assert anna.login("made-up").json["code"] == "login_code_invalid"
    assert count(IdentityRow) == rows


def test_another_users_phone_code_is_refused_and_changes_nothing(anna, tencent) -> None:
    tencent.customer("mallory", phone="13799998888")
    mallory = Phone(tencent, "mallory")
    mallory.login()
    answer = mallory.bind(tencent.phone_code("anna"))
    assert 400 <= answer.status_code < 500 and answer.json["code"] in ("phone_code_foreign", "phone_code_invalid")
    assert count(Member) == 0 and identity_queries.person_of(mobile(PHONE)) is None


def test_a_used_or_made_up_phone_code_is_refused(anna, tencent) -> None:
    anna.login()
    code = tencent.phone_code("anna")
    assert anna.bind(code).status_code == 200
    for bad in (code, "made-up", "x" * 513, ""):
        answer = anna.bind(bad)
        assert answer.status_code == 422 and answer.json["code"] in ("phone_code_invalid", "invalid")


def test_a_phone_of_another_wechat_user_is_kept_apart(anna, tencent, world) -> None:
    anna.login()
    anna.bind()
    tencent.customer("ben", phone=PHONE)
    ben = Phone(tencent, "ben")
    ben.login()
    answer = ben.bind()
    assert (answer.status_code, answer.json["code"]) == (409, "phone_taken")
    assert answer.json["data"]["reason"] == "differing_unionid" and count(Member) == 1
    assert ben.get("me").json["bound"] is False
    assert ben.bind().status_code == 409 and count(IdentityReview) == 0  # nobody said anything to look at


def test_two_memberships_do_not_become_one_by_a_phone(anna, tencent, world) -> None:
    anna.login()
    first = anna.bind().json["id"]
    other = till_card(world, card="C2", phone="13712340002")
    tencent.customer("anna", phone="13712340002")
    answer = anna.bind()
    assert (answer.status_code, answer.json["code"]) == (409, "phone_taken")
    assert answer.json["data"]["reason"] == "two_members"
    assert anna.get("me").json["member"]["id"] == first
    assert (
        member_queries.member_of(world.brand_id, identity_queries.person_of(mobile("13712340002"))).member_id == other
    )


def test_a_number_that_identifies_nobody_is_refused(anna, tencent) -> None:
    tencent.customer("anna", phone="13800000000")
    anna.login()
    answer = anna.bind()
    assert (answer.status_code, answer.json["code"]) == (422, "identity_blocked")
    assert count(Member) == 0


def test_an_unknown_appid_is_not_found(client) -> None:
    answer = client.post(f"{API}/login", json={"appid": "wxnobody", "code": "c"})
    assert (answer.status_code, answer.json["code"]) == (404, "account_missing")


@pytest.mark.parametrize("body", [{}, {"appid": 5, "code": "c"}, {"appid": "a" * 100, "code": "c"}, {"appid": "a"}])
def test_a_login_that_lacks_something_is_invalid(client, body: dict[str, Any]) -> None:
    answer = client.post(f"{API}/login", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


def test_without_a_good_token_nothing_answers(anna, tencent) -> None:
    anna.login()
    sidebar, _ = tokens.issue("sidebar", {"sub": "prs_0000000000001", "brd": "brd_0000000000001", "oid": ""})
    broken, _ = tokens.issue("miniapp", {"sub": "nonsense", "brd": "brd_0000000000001", "oid": ""})
    unknown, _ = tokens.issue("miniapp", {"sub": "prs_0000000000001", "brd": "brd_0000000000001", "oid": ""})
    for token in ("", "x.y.z", anna.token[:-2] + "xx", sidebar, broken, unknown):
        anna.token = token
        for answer in (anna.get("me"), anna.get("points"), anna.bind("c")):
            assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")


def test_a_token_ends(anna) -> None:
    anna.login()
    with time_machine.travel(clock.now() + timedelta(hours=3)):
        assert anna.get("me").status_code == 401


def test_points_are_for_members(anna) -> None:
    anna.login()
    assert (anna.get("points").status_code, anna.get("points").json["code"]) == (409, "not_a_member")
    anna.bind()
    assert anna.get("points").json == {"balance": 0, "items": [], "next_cursor": None}
    for bad in ("x", "bm90IGpzb24=", "W10=", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwgMV0="):
        assert anna.get(f"points?cursor={bad}").json["code"] == "cursor_invalid"


def test_a_frozen_membership_keeps_its_page_and_loses_its_rights(anna) -> None:
    anna.login()
    anna.bind()
    with transaction():
        session.query(Member).update({"status": "frozen"})
    assert anna.get("me").status_code == 200
    assert anna.get("points").json["code"] == "member_frozen"


def test_the_servers_silence_is_503_and_changes_nothing(anna, tencent) -> None:
    tencent.engine.faults.inject({"api": "sns/jscode2session", "http_status": 502, "count": 9})
    answer = anna.login()
    assert answer.status_code == 503 and "Retry-After" in answer.headers and count(Person) == 0


def test_auth_says_who_asks(app, anna) -> None:
    anna.login()
    with app.test_request_context(headers=anna.headers):
        who = auth.shopper()
        assert who is auth.shopper() and who.member_id is None
        with pytest.raises(auth.NotAMember):
            auth.member()
    anna.bind()
    with app.test_request_context(headers=anna.headers):
        assert auth.member().member_id


def test_after_a_split_a_session_is_that_of_who_logged_in(anna, tencent, client, world) -> None:
    """Logged in while two humans were one by mistake: the other one's wallet is not shown a moment longer."""
    tencent.customer("bella", phone="13787654321")
    bella = Phone(tencent, "bella")
    anna.login()
    hers = anna.bind().json["id"]
    bella.login()
    other = bella.bind().json["id"]
    with transaction():
        session.execute(delete(IdentityRow).where(IdentityRow.kind == "unionid"))  # no app of the brand is told it
        one, two = (
            identity_queries.person_of(Identity("openid", tencent.appid, tencent.customer(name).openids[tencent.appid]))
            for name in ("anna", "bella")
        )
        merge.merge(brand_id=world.brand_id, person_id=one, other_id=two, source="test", by="test")
    bella.login()
    assert bella.get("me").json["member"]["id"] == hers
    with transaction():
        (record,) = session.scalars(select(PersonMerge))
        split.split(merge_id=record.merge_id, by="test", reason="two people")
    assert bella.get("me").json["member"]["id"] == other
    assert anna.get("me").json["member"]["id"] == hers
