"""Linking: who becomes one person, who does not, and what stays for ever."""

from __future__ import annotations

import itertools

import pytest
from invariants import broken
from sqlalchemy import func, select

from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.identity import commands, queries
from app.identity.commands import Linked
from app.identity.errors import IdentityBlocked
from app.identity.models import IdentityReview, IdentityRow, Person, PersonMerge
from app.identity.rules import Identity, mobile

OPENID = Identity("openid", "wx1", "o-1")
UNION = Identity("unionid", "open", "u-1")
OTHER_UNION = Identity("unionid", "open", "u-2")
EXTERNAL = Identity("external_userid", "ww1", "wm-1")
CARD = Identity("card", "till", "C1")
OTHER_CARD = Identity("card", "till", "C2")
PHONE = mobile("13712345678")

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("identity.") == []


def link(*ids: Identity, source: str = "test", objection=None) -> Linked:  # type: ignore[no-untyped-def]
    with transaction():
        return commands.link(ids=ids, source=source, objection=objection)


def count(model: type) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def events(name: str) -> list[dict]:
    rows = session.scalars(select(Outbox).where(Outbox.name == name).order_by(Outbox.id))
    return [row.payload for row in rows]


def test_new_ids_make_one_person_and_telling_it_again_changes_nothing() -> None:
    first = link(UNION, OPENID)
    again = link(OPENID, UNION)
    assert first == again == Linked(first.person_id)
    assert count(Person) == 1 and count(IdentityRow) == 2 and not events("identity.merged")


def test_a_later_unionid_brings_two_persons_together_and_the_older_wins() -> None:
    guide_side = link(EXTERNAL).person_id
    shop_side = link(OPENID, UNION).person_id
    linked = link(EXTERNAL, UNION)
    assert linked == Linked(guide_side, merged=(shop_side,))
    assert {queries.person_of(one) for one in (EXTERNAL, OPENID, UNION)} == {guide_side}
    assert queries.resolve(shop_side) == guide_side
    assert [(e["winner_id"], e["loser_id"]) for e in events("identity.merged")] == [(guide_side, shop_side)]


def test_the_older_person_wins_also_when_named_last() -> None:
    old, new = link(CARD, PHONE).person_id, link(OPENID).person_id
    linked = link(OPENID, PHONE)
    assert linked.person_id == old and linked.merged == (new,)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_merging_is_independent_of_order_and_pointers_stay_flat(order: tuple[int, ...]) -> None:
    persons = [link(one).person_id for one in (OPENID, EXTERNAL, UNION, PHONE)]
    pairs = [(OPENID, EXTERNAL), (EXTERNAL, UNION), (UNION, PHONE)]
    for index in order:
        link(*pairs[index])
    assert {queries.resolve(person_id) for person_id in persons} == {min(persons)}
    assert queries.all_ids_of(persons[2]) == persons
    assert count(PersonMerge) == 3


def test_source_records_stay_with_the_person_they_were_given_to() -> None:
    link(EXTERNAL)
    other = link(OPENID, UNION).person_id
    link(EXTERNAL, UNION)
    assert session.get_one(IdentityRow, OPENID.key).person_id == other


def test_a_phone_does_not_join_two_unionids() -> None:
    one, two = link(UNION, PHONE).person_id, link(OTHER_UNION, OPENID).person_id
    linked = link(OTHER_UNION, PHONE)
    assert linked.person_id == two and not linked.merged and linked.reason == "differing_unionid"
    review = session.get_one(IdentityReview, linked.conflict)
    assert (review.person_a, review.person_b, review.status) == (one, two, "open")
    assert queries.person_of(PHONE) == one
    assert len(events("identity.review_opened")) == 1


def test_the_same_contradiction_opens_one_review() -> None:
    link(UNION, PHONE), link(OTHER_UNION)
    assert link(OTHER_UNION, PHONE).conflict == link(OTHER_UNION, PHONE).conflict
    assert count(IdentityReview) == 1


def test_a_phone_does_not_join_two_cards_of_one_till() -> None:
    first = link(CARD, PHONE).person_id
    second = link(OTHER_CARD, PHONE)
    assert second.person_id != first and second.reason == "differing_card"
    assert queries.person_of(OTHER_CARD) == second.person_id and queries.person_of(PHONE) == first


def test_wechat_itself_joins_persons_with_two_cards() -> None:
    link(OPENID, CARD), link(UNION, OTHER_CARD)
    assert link(OPENID, UNION).conflict is None


def test_a_second_unionid_for_one_openid_is_put_apart() -> None:
    first = link(OPENID, UNION).person_id
    linked = link(OPENID, OTHER_UNION)
    assert linked.person_id == first and linked.reason == "differing_unionid"
    assert queries.person_of(OTHER_UNION) not in (None, first)


def test_a_fourth_phone_is_put_up_for_review() -> None:
    for number in ("13711112221", "13711112222", "13711112223"):
        assert link(OPENID, mobile(number)).conflict is None
    assert link(OPENID, mobile("13711112224")).reason == "too_many_mobile"


def test_an_objection_leaves_both_persons_as_they_are() -> None:
    one, two = link(OPENID).person_id, link(PHONE).person_id
    asked = []

    def objection(winner: int, loser: int, weak: bool) -> str:
        asked.append((winner, loser, weak))
        return "two_members"

    linked = link(OPENID, PHONE, objection=objection)
    assert asked == [(one, two, True)] and linked.reason == "two_members" and not linked.merged
    assert queries.person_of(PHONE) == two


def test_a_blocked_value_is_left_out_and_reported() -> None:
    linked = link(CARD, mobile("13800000000"))
    assert linked.refused == (mobile("13800000000"),)
    assert count(IdentityRow) == 1
    with pytest.raises(IdentityBlocked):
        link(mobile("13800000000"))


def test_a_value_may_be_blocked_by_hand() -> None:
    with transaction():
        commands.block(PHONE)
    assert link(CARD, PHONE).refused == (PHONE,)


def test_a_phone_is_sealed_and_found_by_its_blind_index() -> None:
    person = link(OPENID, PHONE).person_id
    row = session.scalars(select(IdentityRow).where(IdentityRow.kind == "mobile")).one()
    assert "13712345678" not in (row.value + (row.sealed_value or ""))
    assert queries.phone_of(person) == "13712345678"
    assert queries.person_of(mobile("+86 137 1234 5678")) == person
    assert set(queries.identities_of(person)) == {OPENID, PHONE}


def test_a_person_held_by_a_loser_id_is_the_winner() -> None:
    winner, loser = link(EXTERNAL).person_id, link(UNION).person_id
    link(EXTERNAL, UNION)
    with transaction():
        assert commands.hold(loser) == winner
