"""Two members of one brand become one, and two again: whose number, card, guide and facts are whose."""

from __future__ import annotations

from datetime import date

import pytest
from factories import make_world
from invariants import broken
from sqlalchemy import select

from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.flows import erase, merge, people, split, till_member
from app.identity import queries as identity
from app.identity.models import PersonMerge
from app.identity.rules import Identity
from app.members import commands, queries
from app.members.models import Member, MemberMerge


@pytest.fixture
def other(app):  # type: ignore[no-untyped-def]
    return make_world()


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("") == []


def openid(name: str) -> Identity:
    return Identity("openid", f"wx-{name}", name)


def joined(world, who: str, /, **facts) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """A person with one openid and a membership."""
    with transaction():
        person_id = people.link(brand_id=world.brand_id, ids=[openid(who)], source="test").person_id
        member_id = commands.join(brand_id=world.brand_id, person_id=person_id, source="miniapp", **facts)
    return person_id, member_id


def somebody(world, name: str) -> int:  # type: ignore[no-untyped-def]
    with transaction():
        return people.link(brand_id=world.brand_id, ids=[openid(name)], source="test").person_id


def together(world, *names: str) -> int:  # type: ignore[no-untyped-def]
    """WeChat says that these are one."""
    with transaction():
        return people.link(brand_id=world.brand_id, ids=[openid(name) for name in names], source="test").person_id


def merge_of(loser_id: int) -> int:
    statement = select(PersonMerge.merge_id).where(PersonMerge.loser_id == loser_id, PersonMerge.revoked_at.is_(None))
    return session.scalars(statement).one()


def taken_back(loser_id: int) -> None:
    merge_id = merge_of(loser_id)
    with transaction():
        split.split(merge_id=merge_id, by="test", reason="two people")


def snapshot() -> list[tuple]:
    """Everything that a split must bring back."""
    session.expire_all()
    columns = [column for column in Member.__table__.columns if column.name not in ("origin_person_id", "name")]
    rows = [tuple(row) for row in session.execute(select(*columns).order_by(Member.member_id))]
    names = [row.plain_name for row in session.scalars(select(Member).order_by(Member.member_id))]
    return [*zip(rows, names, strict=True)]


def events(name: str) -> list[dict]:
    return [row.payload for row in session.scalars(select(Outbox).where(Outbox.name == name).order_by(Outbox.id))]


def test_what_wechat_vouches_for_makes_two_members_one(world) -> None:
    _, winner = joined(world, "a", name="王小美")
    _, loser = joined(world, "b", card_no="C9", birthday=date(1990, 5, 1), phone_tail="5678")
    number = queries.member(world.brand_id, loser).number
    person_id = together(world, "a", "b")
    one = queries.living(world.brand_id, loser)
    assert one.member_id == winner and queries.by_number(world.brand_id, number).member_id == winner
    assert queries.member_of(world.brand_id, person_id).member_id == winner
    assert (one.plain_name, one.card_no, one.birthday, one.phone_tail) == ("王小美", "C9", date(1990, 5, 1), "5678")
    gone = queries.member(world.brand_id, loser)
    assert (gone.status, gone.merged_into, gone.card_no) == ("merged", winner, "C9")
    record = session.scalars(select(MemberMerge)).one()
    assert [(e["member_id"], e["loser_id"], e["merge_id"]) for e in events("members.merged")] == [
        (winner, loser, record.merge_id)
    ]
    assert "C9" not in str(record.kept)


def test_the_older_persons_membership_wins_also_when_it_is_younger(world) -> None:
    old = somebody(world, "a")
    _, first_member = joined(world, "b")
    with transaction():
        second_member = commands.join(brand_id=world.brand_id, person_id=old, source="till")
    together(world, "a", "b")
    assert queries.living(world.brand_id, first_member).member_id == second_member


def test_a_phone_alone_never_joins_two_members(world) -> None:
    with transaction():
        till_member.open_card(brand_id=world.brand_id, store_id=world.store.id, card_no="C1", phone="13712345678")
    joined(world, "b")
    with transaction():
        linked = people.link(
            brand_id=world.brand_id, ids=[openid("b"), Identity("mobile", "", "13712345678")], source="test"
        )
    assert linked.reason == "two_members" and not linked.merged
    assert {row.status for row in session.scalars(select(Member))} == {"active"}


def test_a_split_gives_everything_back(world) -> None:
    joined(world, "a", name="王小美")
    loser_person, loser = joined(world, "b", card_no="C9", name="李雷", phone_tail="5678", store_id=world.store.id)
    before = snapshot()
    together(world, "a", "b")
    taken_back(loser_person)
    assert snapshot() == before
    assert queries.member_of(world.brand_id, loser_person).member_id == loser
    assert [e["loser_id"] for e in events("members.split")] == [loser]


def test_a_fact_changed_since_stays_after_a_split(world) -> None:
    _, winner = joined(world, "a")
    loser_person, _ = joined(world, "b", card_no="C9", birthday=date(1990, 5, 1))
    together(world, "a", "b")
    with transaction():
        queries.member(world.brand_id, winner).birthday = date(1991, 1, 1)
    taken_back(loser_person)
    one = queries.member(world.brand_id, winner)
    assert (one.card_no, one.birthday) == (None, date(1991, 1, 1))


def test_the_guide_of_the_older_relation_stays_and_a_split_gives_both_back(world) -> None:
    _, winner = joined(world, "a")
    loser_person, loser = joined(world, "b")
    first, second = world.guides[0], world.guides[2]
    for member_id, guide in ((loser, first), (winner, second)):
        with transaction():
            commands.assign_guide(
                brand_id=world.brand_id, member_id=member_id, guide_id=guide.id, store_id=guide.store_id, reason="t"
            )
    together(world, "a", "b")
    assert queries.member(world.brand_id, winner).guide_id == first.id
    taken_back(loser_person)
    assert queries.member(world.brand_id, winner).guide_id == second.id
    assert queries.member(world.brand_id, loser).guide_id == first.id


def test_a_frozen_wallet_does_not_thaw_by_a_merge(world) -> None:
    _, winner = joined(world, "a")
    loser_person, loser = joined(world, "b")
    with transaction():
        queries.member(world.brand_id, loser).status = "frozen"
    together(world, "a", "b")
    assert queries.member(world.brand_id, winner).status == "frozen"
    taken_back(loser_person)
    assert queries.member(world.brand_id, winner).status == "active"
    assert queries.member(world.brand_id, loser).status == "frozen"


def test_a_chain_is_flat_and_any_link_of_it_comes_apart(world) -> None:
    persons = dict(zip("abc", (joined(world, name) for name in "abc"), strict=True))
    before = snapshot()
    together(world, "b", "c")
    together(world, "a", "b")
    members = {name: member_id for name, (_, member_id) in persons.items()}
    assert {queries.living(world.brand_id, one).member_id for one in members.values()} == {members["a"]}
    taken_back(persons["c"][0])  # the first of the two merges
    assert queries.living(world.brand_id, members["c"]).member_id == members["c"]
    assert queries.living(world.brand_id, members["b"]).member_id == members["a"]
    assert broken("") == []
    taken_back(persons["b"][0])
    assert snapshot() == before


def test_a_membership_that_only_moved_goes_back(world) -> None:
    old = somebody(world, "a")
    loser_person, member_id = joined(world, "b")
    together(world, "a", "b")
    assert queries.member_of(world.brand_id, old).member_id == member_id
    taken_back(loser_person)
    assert queries.member_of(world.brand_id, old) is None
    assert queries.member_of(world.brand_id, loser_person).member_id == member_id


def test_a_merge_far_from_the_one_taken_back_is_cut_all_the_same(world) -> None:
    """The members were merged by a later merge of persons than the one that is taken back."""
    _, winner = joined(world, "a")
    somebody(world, "b")
    third, member_id = joined(world, "c")
    together(world, "b", "c")  # the membership moves to b
    together(world, "a", "b")  # the members merge
    taken_back(third)
    assert queries.member_of(world.brand_id, third).member_id == member_id
    assert queries.living(world.brand_id, winner).member_id == winner
    assert queries.living(world.brand_id, member_id).member_id == member_id


def test_two_that_met_in_a_third_stay_one_when_it_leaves(world) -> None:
    root = somebody(world, "a")
    left, first = joined(world, "b")
    _, second = joined(world, "c")
    _, third = joined(world, "d")
    together(world, "a", "b")
    together(world, "a", "c")
    together(world, "a", "d")
    assert queries.living(world.brand_id, third).member_id == first
    taken_back(left)
    assert queries.member_of(world.brand_id, left).member_id == first
    assert (
        queries.living(world.brand_id, third).member_id == second == queries.member_of(world.brand_id, root).member_id
    )


def test_what_was_taken_apart_stays_apart(world) -> None:
    winner_person, _ = joined(world, "a")
    loser_person, _ = joined(world, "b")
    together(world, "a", "b")
    taken_back(loser_person)
    with transaction():
        linked = people.link(brand_id=world.brand_id, ids=[openid("a"), openid("b")], source="test")
    assert linked.reason == "kept_apart" and not linked.merged
    assert identity.resolve(loser_person) == loser_person != winner_person


def test_a_split_again_changes_nothing(world) -> None:
    joined(world, "a")
    loser_person, _ = joined(world, "b")
    together(world, "a", "b")
    merge_id = merge_of(loser_person)
    for done in (True, False):
        with transaction():
            assert split.split(merge_id=merge_id, by="test", reason="two people").done is done
    assert len(events("identity.split")) == 1


def test_two_brands_merge_each_for_itself(world, other) -> None:
    """One person, members of two brands: each brand's members merge, and a member of one brand only just moves."""
    old, ours = joined(world, "a")
    loser_person, ours_too = joined(world, "b")
    with transaction():
        theirs = commands.join(brand_id=other.brand_id, person_id=loser_person, source="till")
    before = snapshot()
    together(world, "a", "b")
    assert queries.living(world.brand_id, ours_too).member_id == ours
    assert queries.member_of(other.brand_id, old).member_id == theirs
    assert queries.member(world.brand_id, theirs) is None
    taken_back(loser_person)
    assert snapshot() == before


def test_a_home_store_given_to_a_merged_member_is_the_living_ones(world) -> None:
    """The console saw the member a moment before."""
    _, winner = joined(world, "a")
    _, loser = joined(world, "b")
    together(world, "a", "b")
    moved = {"brand_id": world.brand_id, "store_id": world.stores[1].id, "reason": "moved house", "moved_by": "test"}
    with transaction():
        assert commands.move_home_store(member_id=loser, **moved)
        assert not commands.move_home_store(member_id=winner, **moved)
    assert queries.member(world.brand_id, winner).home_store_id == world.stores[1].id
    assert queries.member(world.brand_id, loser).home_store_id is None
    assert [event["member_id"] for event in events("members.home_store_moved")] == [winner]


def test_what_comes_late_for_a_merged_member_is_folded_once_more(world) -> None:
    joined(world, "a")
    loser_person, loser = joined(world, "b")
    together(world, "a", "b")
    event = events("members.merged")[0]
    merged = merge.Merged(**event)
    with transaction():
        merge.fold_late(merged)
    taken_back(loser_person)
    with transaction():
        merge.fold_late(merged)  # the merge is no more: nothing moves
    assert queries.living(world.brand_id, loser).member_id == loser


def test_who_leaves_first_leaves_no_guide_and_no_fact_of_theirs_behind(world) -> None:
    """Parted in the order in which they came, not the other way round."""
    _, winner = joined(world, "a")
    first_person, first = joined(world, "b", birthday=date(1990, 5, 1), name="李雷")
    second_person, second = joined(world, "c", birthday=date(1991, 6, 2))
    owners = {second: world.guides[2], first: world.guides[1], winner: world.guides[0]}
    for member_id, guide in owners.items():  # the last to be merged has the oldest relation
        with transaction():
            commands.assign_guide(
                brand_id=world.brand_id, member_id=member_id, guide_id=guide.id, store_id=guide.store_id, reason="t"
            )
    before = snapshot()
    together(world, "a", "b")
    together(world, "a", "c")
    assert queries.member(world.brand_id, winner).guide_id == world.guides[2].id
    taken_back(first_person)
    one = queries.member(world.brand_id, winner)
    assert (one.guide_id, one.birthday, one.plain_name) == (world.guides[2].id, date(1991, 6, 2), None)
    taken_back(second_person)
    assert snapshot() == before


def test_the_place_of_a_guide_who_left_is_taken_by_the_next(world) -> None:
    _, winner = joined(world, "a")
    first_person, first = joined(world, "b")
    second_person, second = joined(world, "c")
    for member_id, guide in ((first, world.guides[1]), (second, world.guides[2])):
        with transaction():
            commands.assign_guide(
                brand_id=world.brand_id, member_id=member_id, guide_id=guide.id, store_id=guide.store_id, reason="t"
            )
    before = snapshot()
    together(world, "a", "b")
    together(world, "a", "c")
    taken_back(first_person)
    one = queries.member(world.brand_id, winner)
    assert (one.guide_id, one.home_store_id) == (world.guides[2].id, world.guides[2].store_id)
    taken_back(second_person)
    assert snapshot() == before


def test_a_frozen_wallet_stays_frozen_while_one_of_two_is_there(world) -> None:
    _, winner = joined(world, "a")
    parted = []
    for name in "bc":
        person_id, member_id = joined(world, name)
        with transaction():
            queries.member(world.brand_id, member_id).status = "frozen"
        together(world, "a", name)
        parted.append(person_id)
    taken_back(parted[0])
    assert queries.member(world.brand_id, winner).status == "frozen"
    taken_back(parted[1])
    assert queries.member(world.brand_id, winner).status == "active"


def test_what_wechat_told_with_an_id_of_the_loser_goes_with_the_loser(world) -> None:
    """While they were one, the loser's human opened the official account; after the split it is theirs."""
    joined(world, "a")
    loser_person, loser = joined(world, "b")
    winner_person = together(world, "a", "b")
    together(world, "b", "account of b")
    together(world, "a", "account of a")
    with transaction():
        people.link(brand_id=world.brand_id, ids=[openid("b"), Identity("mobile", "", "13712345678")], source="test")
    assert identity.person_of(openid("account of b")) == winner_person
    taken_back(loser_person)
    assert identity.person_of(openid("account of b")) == loser_person
    assert identity.person_of(openid("account of a")) == winner_person
    assert identity.person_of(Identity("mobile", "", "13712345678")) == winner_person  # somebody's word: it stays


def test_a_membership_that_was_forgotten_follows_its_person_like_any_other(world, other) -> None:
    joined(world, "a")
    middle_person, _ = joined(world, "b")
    last_person, _ = joined(world, "c")
    with transaction():
        forgotten = commands.join(brand_id=other.brand_id, person_id=last_person, source="till")
    together(world, "b", "c")
    with transaction():
        erase.erase(brand_id=other.brand_id, member_id=forgotten, actor="test", reason="test")
    winner_person = together(world, "a", "b")
    assert queries.member(other.brand_id, forgotten).person_id == winner_person
    assert broken("") == []
    taken_back(last_person)
    assert queries.member(other.brand_id, forgotten).person_id == last_person
    assert broken("") == []
    taken_back(middle_person)
    assert queries.member(other.brand_id, forgotten).person_id == last_person
