"""Binding another phone, and a phone that somebody else is known by: over HTTP, with the wallets watched."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from factories import make_world
from invariants import broken
from mini_phone import API, PHONE, Phone
from sqlalchemy import select

from app.core import clock
from app.core.audit import AuditLog
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows import people, till_member
from app.identity import commands as identity_commands
from app.identity import queries as identity
from app.identity.models import IdentityRelease, IdentityReview, PhoneClaim
from app.identity.rules import Identity, mobile
from app.members import queries as members
from app.members.models import Member
from app.points import commands as points
from app.points import queries as point_queries

PROOF = {"answer": "mine", "card_no": "C1", "birthday": "1990-05-01"}


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("") == []


def shopper(tencent: Any, name: str, phone: str) -> Phone:
    tencent.customer(name, phone=phone)
    one = Phone(tencent, name)
    assert one.login().status_code == 200
    return one


def till_card(world: Any, *, phone: str = PHONE, card: str = "C1", points_of_it: int = 300, ago: int = 0) -> int:
    with transaction():
        opened = till_member.open_card(
            brand_id=world.brand_id,
            store_id=world.store.id,
            card_no=card,
            phone=phone,
            name="王小美",
            birthday=date(1990, 5, 1),
            opened_at=clock.now() - timedelta(days=ago),
        )
        member_id = opened.member.member_id
        points.earn(
            brand_id=world.brand_id,
            member_id=member_id,
            currency="points",
            amount=points_of_it,
            cause=f"test:{card}",
            at=clock.now(),
        )
    return member_id


def answered(one: Phone, claim: str, **body: Any) -> Any:
    return one.tencent.client.post(f"{API}/phone/claims/{claim}", json=body, headers=one.headers)


def balance(world: Any, member_id: int) -> int:
    return point_queries.balances(world.brand_id, member_id)["points"]


def taken(one: Phone) -> dict[str, Any]:
    answer = one.bind()
    assert (answer.status_code, answer.json["code"]) == (409, "phone_taken"), answer.text
    return answer.json["data"]


def acts() -> list[str]:
    return [row.action for row in session.scalars(select(AuditLog).order_by(AuditLog.id))]


def events(name: str) -> list[dict[str, Any]]:
    return [row.payload for row in session.scalars(select(Outbox).where(Outbox.name == name).order_by(Outbox.id))]


def test_a_free_phone_takes_the_place_of_the_one_before(tencent, world) -> None:
    anna = shopper(tencent, "anna", PHONE)
    member = anna.bind().json
    tencent.customer("anna", phone="13712340002")
    changed = anna.bind().json
    assert (changed["id"], changed["phone"]) == (member["id"], "137****0002")
    assert identity.person_of(mobile(PHONE)) is None
    (release,) = session.scalars(select(IdentityRelease))
    assert release.reason == "exchanged" and PHONE not in release.sealed_value
    assert [event["change"] for event in events("members.rebound")] == ["exchanged"]
    (row,) = session.scalars(select(Member).execution_options(populate_existing=True))
    assert row.phone_tail == "0002"
    ben = shopper(tencent, "ben", PHONE)
    assert ben.bind().json["id"] != member["id"]  # the old number is anybody's now


def test_a_phone_of_ones_own_proved_again_is_the_present_one(tencent, world) -> None:
    till_card(world)
    anna = shopper(tencent, "anna", PHONE)
    member = anna.bind().json["id"]
    with transaction():
        person_id = identity.person_of(mobile(PHONE))
        identity_commands.link(ids=[mobile(PHONE), mobile("13712340002")], source="test")
    assert identity.phone_of(person_id) == "13712340002"
    again = anna.bind().json
    assert (again["id"], again["phone"]) == (member, "137****5678")
    assert not session.scalars(select(IdentityRelease)).all()


def test_a_card_unseen_for_long_is_not_joined_by_its_number(tencent, world) -> None:
    member_id = till_card(world, ago=800)
    ben = shopper(tencent, "ben", PHONE)
    data = taken(ben)
    assert data["reason"] == "long_unseen" and data["proofs"] == ["card_no", "birthday", "name"]
    assert ben.get("me").json["bound"] is False and balance(world, member_id) == 300
    assert set(data) == {"reason", "claim", "proofs"}  # nothing of the record itself


def test_a_card_seen_lately_or_without_a_wallet_is_joined_as_ever(tencent, world) -> None:
    one = till_card(world, ago=30)
    other = till_card(world, phone="13712340002", card="C2", points_of_it=0, ago=800)
    anna, ben = shopper(tencent, "anna", PHONE), shopper(tencent, "ben", "13712340002")
    assert anna.bind().status_code == ben.bind().status_code == 200
    assert {members.living(world.brand_id, each).bound_at is not None for each in (one, other)} == {True}


def test_mine_with_proof_is_one_member_with_the_wallet(tencent, world) -> None:
    member_id = till_card(world, ago=800)
    anna = shopper(tencent, "anna", PHONE)
    answer = answered(anna, taken(anna)["claim"], **PROOF)
    assert answer.status_code == 200 and answer.json["status"] == "merged", answer.text
    me = anna.get("me").json
    assert me["points"] == 300 and me["member"]["id"] == answer.json["member"]["id"]
    assert members.member_of(world.brand_id, identity.person_of(mobile(PHONE))).member_id == member_id
    assert "phone.merged" in acts()


def test_two_members_become_one_by_proof(tencent, world) -> None:
    anna = shopper(tencent, "anna", "13712340002")
    mine = anna.bind().json["id"]
    till_card(world)
    tencent.customer("anna", phone=PHONE)
    data = taken(anna)
    assert data["reason"] == "two_members"
    answer = answered(anna, data["claim"], answer="mine", card_no="C1", name="王小美")
    assert answer.json["status"] == "merged" and answer.json["member"]["id"] == mine  # the older person's member
    assert anna.get("me").json["points"] == 300
    assert len(session.scalars(select(Member).where(Member.status == "active")).all()) == 1


def test_not_mine_moves_the_number_and_leaves_the_wallet(tencent, world) -> None:
    anna = shopper(tencent, "anna", PHONE)
    till_card(world)
    old = members.member_of(world.brand_id, identity.person_of(mobile(PHONE))).member_id
    anna.bind()
    ben = shopper(tencent, "ben", PHONE)
    answer = answered(ben, taken(ben)["claim"], answer="not_mine")
    assert answer.json["status"] == "moved" and answer.json["member"]["phone"] == "137****5678"
    assert (ben.get("me").json["points"], balance(world, old)) == (0, 300)
    assert anna.get("me").json["points"] == 300 and anna.get("me").json["member"]["phone"] is None
    assert members.living(world.brand_id, old).phone_tail is None
    assert [event["change"] for event in events("members.rebound") if event["member_id"] == old] == ["lost"]
    assert session.scalars(select(IdentityRelease)).one().reason == "recycled" and "phone.moved" in acts()


def test_what_was_said_to_be_two_stays_two(tencent, world) -> None:
    """The till sends the old card with the old number once more: nothing is joined, nothing new is opened."""
    till_card(world, ago=800)
    ben = shopper(tencent, "ben", PHONE)
    answered(ben, taken(ben)["claim"], answer="not_mine")
    with transaction():
        again = people.link(
            brand_id=world.brand_id, ids=[till_member.card_identity(world.brand_id, "C1"), mobile(PHONE)], source="till"
        )
    assert again.reason == "kept_apart" and not again.merged
    assert session.scalars(select(IdentityReview.reason)).all() == ["not_mine"]


def test_wrong_proofs_are_few_and_end_before_a_human(tencent, world) -> None:
    member_id = till_card(world, ago=800)
    mallory = shopper(tencent, "mallory", PHONE)
    claim = taken(mallory)["claim"]
    for left in (2, 1):
        answer = answered(mallory, claim, **{**PROOF, "birthday": "1991-01-01"})
        assert (answer.status_code, answer.json["code"]) == (422, "proof_wrong")
        assert answer.json["data"] == {"tries_left": left}
    answer = answered(mallory, claim, **{**PROOF, "card_no": "C2"})
    assert answer.status_code == 200 and answer.json == {"status": "review", "member": None}
    review = session.scalars(select(IdentityReview)).one()
    assert review.evidence["proof"] == "proof_failed" and review.status == "open"
    assert answered(mallory, claim, **PROOF).json["code"] == "claim_closed"
    assert mallory.get("me").json["bound"] is False and balance(world, member_id) == 300


def test_new_claims_do_not_make_more_tries(tencent, world) -> None:
    till_card(world, ago=800)
    for n in range(3):
        mallory = shopper(tencent, f"mallory{n}", PHONE)
        claim = taken(mallory)["claim"]
        for _ in range(3):
            answered(mallory, claim, **{**PROOF, "card_no": "C2"})
    mallory = shopper(tencent, "mallory3", PHONE)
    answer = answered(mallory, taken(mallory)["claim"], **PROOF)
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_requests")


def test_proof_against_wechats_word_is_for_a_human(tencent, world) -> None:
    anna = shopper(tencent, "anna", PHONE)
    till_card(world)
    anna.bind()
    ben = shopper(tencent, "ben", PHONE)
    answer = answered(ben, taken(ben)["claim"], **PROOF)
    assert answer.json == {"status": "review", "member": None}
    review = session.scalars(select(IdentityReview)).one()
    assert (review.reason, review.evidence["proof"]) == ("differing_unionid", "proved")
    assert "C1" not in str(review.evidence)


def test_a_record_that_nothing_can_prove_goes_to_a_human(tencent, world) -> None:
    anna, ben = shopper(tencent, "anna", PHONE), None
    anna.bind()
    ben = shopper(tencent, "ben", PHONE)
    data = taken(ben)
    assert data["proofs"] == []
    assert answered(ben, data["claim"], **PROOF).json["status"] == "review"


def test_a_number_that_goes_from_hand_to_hand_is_for_a_human(tencent, world) -> None:
    shopper(tencent, "anna", PHONE).bind()
    for name, status in (("ben", "moved"), ("carl", "moved"), ("dora", "review")):
        one = shopper(tencent, name, PHONE)
        assert answered(one, taken(one)["claim"], answer="not_mine").json["status"] == status
    assert one.get("me").json["bound"] is False


def test_a_proof_against_a_decision_is_looked_at_again(tencent, world) -> None:
    till_card(world, ago=800)
    ben = shopper(tencent, "ben", PHONE)
    first = answered(ben, taken(ben)["claim"], answer="not_mine")
    assert first.json["status"] == "moved"
    anna = shopper(tencent, "anna", PHONE)
    with transaction():  # the till has the old holder's number once more: anna says she is ben, and proves it
        number = ben.get("me").json["member"]["number"]
        member_id = members.by_number(world.brand_id, number).member_id
        members.member(world.brand_id, member_id).birthday = date(1988, 8, 8)
        identity_commands.remember_apart(
            identity.person_of(mobile(PHONE)),
            identity.resolve(anna_person(tencent, anna)),
            why="split",
            evidence={},
            by="test",
            reason="test",
            brand_id=world.brand_id,
        )
    data = taken(anna)
    assert data["reason"] == "kept_apart"
    answer = answered(anna, data["claim"], answer="mine", card_no=number, birthday="1988-08-08")
    assert answer.json == {"status": "review", "member": None}
    (again,) = session.scalars(select(IdentityReview).where(IdentityReview.status == "open"))
    assert (again.reason, again.evidence["proof"]) == ("kept_apart", "proved")


def anna_person(tencent: Any, one: Phone) -> int:
    return identity.person_of(Identity("openid", tencent.appid, tencent.customer(one.name).openids[tencent.appid]))


def test_a_claim_is_its_shoppers_and_ends(tencent, world) -> None:
    till_card(world, ago=800)
    anna, ben = shopper(tencent, "anna", PHONE), shopper(tencent, "ben", "13712340002")
    first = taken(anna)["claim"]
    assert answered(ben, first, **PROOF).status_code == 404
    assert answered(anna, "clm_0000000000001", **PROOF).status_code == 404
    second = taken(anna)["claim"]
    assert answered(anna, first, **PROOF).json["code"] == "claim_closed"
    with time_machine.travel(clock.now() + timedelta(minutes=31)):
        assert answered(anna, second, **PROOF).json["code"] == "claim_closed"
    assert {row.status for row in session.scalars(select(PhoneClaim))} == {"open", "closed"}


def test_one_phone_in_two_brands_is_one_person_with_two_wallets(tencent, world, app) -> None:
    """The same human at another brand of the group: the person is known, the membership is a new one."""
    other = make_world()
    anna = shopper(tencent, "anna", PHONE)
    mine = anna.bind().json["id"]
    with transaction():
        there = till_member.open_card(
            brand_id=other.brand_id, store_id=other.store.id, card_no="X1", phone=PHONE
        ).member
    assert there.person_id == identity.person_of(mobile(PHONE))
    assert members.member(world.brand_id, there.member_id) is None
    assert {one.brand_id for one in members.memberships(there.person_id)} == {world.brand_id, other.brand_id}
    assert anna.get("me").json["member"]["id"] == mine
