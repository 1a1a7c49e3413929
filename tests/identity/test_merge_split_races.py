"""Merges, splits and claims at the same moment, from real connections; each guard beside what happens without it."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from at_once import at_once
from factories import World, make_world
from invariants import broken
from sqlalchemy import func, select

from app.core import clock
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import run, transaction
from app.flows import bind_phone, people, phone_claim, split
from app.identity import queries as identity
from app.identity.commands import Linked
from app.identity.models import IdentityRelease, PersonMerge
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as member_queries
from app.members.models import Member
from app.points import commands as points
from app.points import queries as point_queries

splitting = sys.modules["app.identity.commands.split"]  # the package exports the verb under the same name
WORTH = {"a": 100, "b": 10, "c": 1}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def openid(name: str) -> Identity:
    return Identity("openid", f"wx-{name}", name)


def join(world: World, names: Iterable[str]) -> dict[str, int]:
    """Members by name, the older first, each with points of their own."""
    made = {}
    for name in names:
        with transaction():
            person_id = people.link(brand_id=world.brand_id, ids=[openid(name)], source="test").person_id
            made[name] = members.join(brand_id=world.brand_id, person_id=person_id, source="miniapp")
            points.earn(
                brand_id=world.brand_id,
                member_id=made[name],
                currency="points",
                amount=WORTH[name],
                cause=f"test:{name}",
                at=clock.now(),
            )
    return made


def tell(world: World, *names: str) -> Linked:
    return people.link(brand_id=world.brand_id, ids=[openid(name) for name in names], source="race")


def worth(world: World, member_id: int) -> int:
    with transaction():
        return point_queries.balances(world.brand_id, member_id)["points"]


def living(world: World) -> dict[int, int]:
    """The points of every living member."""
    with transaction():
        rows = session.scalars(select(Member.member_id).where(Member.status == "active")).all()
    return {member_id: worth(world, member_id) for member_id in rows}


def standing_merge() -> int:
    with transaction():
        return session.scalars(select(PersonMerge.merge_id).where(PersonMerge.revoked_at.is_(None))).one()


def events(name: str) -> int:
    with transaction():
        return session.scalar(select(func.count()).select_from(Outbox).where(Outbox.name == name)) or 0


def take_back(merge_id: int) -> bool:
    return split.split(merge_id=merge_id, by="test", reason="two people").done


@pytest.mark.parametrize("order", list(itertools.permutations(("ab", "bc", "ca")))[:4])
def test_overlapping_merges_at_once_end_as_one_wallet(app, world, order) -> None:  # type: ignore[no-untyped-def]
    made = join(world, "abc")
    works = [partial(run, partial(tell, world, *pair)) for pair in (*order, *order)]
    results = at_once(app, works)
    assert not [result for result in results if isinstance(result, str)]
    assert living(world) == {made["a"]: 111}
    assert broken("") == []


@pytest.mark.parametrize("round_", range(3))
def test_two_splits_at_once_are_one(app, world, round_: int) -> None:  # type: ignore[no-untyped-def]
    made = join(world, "ab")
    run(partial(tell, world, "a", "b"))
    merge_id = standing_merge()
    results = at_once(app, [partial(run, partial(take_back, merge_id))] * 4)
    assert sorted(results) == [False, False, False, True]
    assert living(world) == {made["a"]: 100, made["b"]: 10}
    assert events("identity.split") == events("members.split") == 1
    assert broken("") == []


def test_two_splits_that_do_not_wait_for_each_other_are_two(app, world, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """The twin: both read the merge as standing, and both take it back."""
    join(world, "ab")
    run(partial(tell, world, "a", "b"))
    merge_id = standing_merge()
    both = threading.Barrier(2)

    def unlocked(model: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        found = {key: session.get_one(model, key, populate_existing=True) for key in sorted(set(keys))}
        if model is PersonMerge:
            both.wait(30)
        return found

    monkeypatch.setattr(splitting, "lock_rows", unlocked)
    results = at_once(app, [partial(_told, partial(run, partial(take_back, merge_id)))] * 2)
    assert results != [True, False] and results != [False, True]


@pytest.mark.parametrize("round_", range(6))
def test_a_split_against_a_merge_loses_nothing(app, world, round_: int) -> None:  # type: ignore[no-untyped-def]
    """Whichever comes first: nobody's points are lost, and c is one with whoever has b's id."""
    made = join(world, "abc")
    run(partial(tell, world, "a", "b"))
    merge_id = standing_merge()
    works: list[Callable[[], Any]] = [
        partial(run, partial(take_back, merge_id)),
        partial(run, partial(tell, world, "b", "c")),
    ]
    at_once(app, works if round_ % 2 else works[::-1])
    with transaction():
        assert identity.person_of(openid("c")) == identity.resolve(identity.person_of(openid("c")) or 0)
        assert identity.person_of(openid("a")) != identity.person_of(openid("b"))
    assert sum(living(world).values()) == 111
    assert living(world)[made["a"]] in (100, 101)  # c came to a while b was there, or went with b
    assert broken("") == []


def _told(work: Callable[[], Any]) -> Any:
    """What a work answers, also when the database refuses it."""
    try:
        return work()
    except Exception as refusal:
        return type(refusal).__name__


def _paused_link(app: Any, world: World, monkeypatch: pytest.MonkeyPatch, new: Identity) -> None:
    """Link b's id with a new one, while b is split from a after the link looked whose the id is."""
    join(world, "ab")
    run(partial(tell, world, "a", "b"))
    merge_id, looked, parted = standing_merge(), threading.Event(), threading.Event()
    real, calls = identity.owners, itertools.count(1)

    def owners(keys: Any) -> Any:
        found = real(keys)
        if next(calls) == 1:
            looked.set()
            assert parted.wait(30)
        return found

    def linker() -> Any:
        monkeypatch.setattr(identity, "owners", owners)
        return run(lambda: people.link(brand_id=world.brand_id, ids=[openid("b"), new], source="race"))

    def splitter() -> Any:
        assert looked.wait(30)
        try:
            return run(partial(take_back, merge_id))
        finally:
            parted.set()

    at_once(app, [linker, splitter])


@pytest.mark.parametrize("new", [Identity("external_userid", "ww", "wm-b"), mobile("13712345678")])
def test_a_link_that_looked_before_a_split_looks_again(app, world, monkeypatch, new) -> None:  # type: ignore[no-untyped-def]
    _paused_link(app, world, monkeypatch, new)
    with transaction():
        assert identity.person_of(new) == identity.person_of(openid("b")) != identity.person_of(openid("a"))
    assert broken("") == []


def test_a_link_that_does_not_look_again_gives_the_id_to_the_wrong_person(app, world, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """The twin: the link believes what it saw before it held the persons. (What WeChat tells is b's all the same.)"""
    new, real = mobile("13712345678"), identity.keys_of

    def believed(person_ids: Any) -> Any:
        found = real(person_ids)
        return {one: keys | {openid("b").key} for one, keys in found.items()}

    monkeypatch.setattr(identity, "keys_of", believed)
    _paused_link(app, world, monkeypatch, new)
    with transaction():
        assert identity.person_of(new) == identity.person_of(openid("a")) != identity.person_of(openid("b"))


def test_a_late_callback_with_an_old_id_lands_on_the_winner(world: World) -> None:
    made = join(world, "ab")
    run(partial(tell, world, "a", "b"))
    late = run(
        lambda: people.link(
            brand_id=world.brand_id,
            ids=[openid("b"), Identity("external_userid", "ww", "wm-b")],
            source="wecom.contact",
            passive=True,
        )
    )
    with transaction():
        assert late.person_id == identity.person_of(openid("a"))
        found = member_queries.member_of(world.brand_id, late.person_id)
    assert found is not None and found.member_id == made["a"]


@pytest.mark.parametrize("round_", range(4))
def test_a_free_number_wanted_by_two_costs_nobody_the_old_one(app, world, round_: int) -> None:  # type: ignore[no-untyped-def]
    """Two shoppers exchange their phones for one free number: one has it, the other keeps what they had."""
    join(world, "ab")
    old, new = {"a": mobile("13711110001"), "b": mobile("13711110002")}, mobile("13711110003")
    ids_of = {name: Identity("openid", world.miniprogram.namespace, name) for name in "ab"}
    for name in "ab":
        run(partial(people.link, brand_id=world.brand_id, ids=[openid(name), ids_of[name]], source="test"))
        run(partial(bind_phone.bind, brand_id=world.brand_id, openid=ids_of[name], phone=old[name].value))
    works = [
        partial(bind_phone.bind, brand_id=world.brand_id, openid=ids_of[name], phone=new.value)
        for name in ("ab" if round_ % 2 else "ba")
    ]
    at_once(app, [partial(run, work) for work in works])
    with transaction():
        persons = {name: identity.person_of(openid(name)) or 0 for name in "ab"}
        phones = {name: identity.phone_of(person_id) for name, person_id in persons.items()}
    assert sorted(phone == new.value for phone in phones.values()) == [False, True]
    assert all(phones[name] in (new.value, old[name].value) for name in "ab")
    assert broken("") == []


@pytest.mark.parametrize("round_", range(3))
def test_a_number_moves_to_one_of_two_who_hold_it(app, world, round_: int) -> None:  # type: ignore[no-untyped-def]
    """A number that a third is known by; two shoppers say at once that it is theirs now."""
    phone = mobile("13712345678")
    join(world, "abc")
    run(lambda: bind_phone.bind(brand_id=world.brand_id, openid=openid("a"), phone=phone.value))
    claims = {}
    for name in "bc":
        bound = run(partial(bind_phone.bind, brand_id=world.brand_id, openid=openid(name), phone=phone.value))
        claims[name] = bound.claim_id
    with transaction():
        persons = {name: identity.person_of(openid(name)) for name in "bc"}
    answers = [
        partial(
            phone_claim.answer,
            brand_id=world.brand_id,
            person_id=persons[name] or 0,
            claim_id=claims[name] or 0,
            mine=False,
        )
        for name in "bc"
    ]
    results = at_once(app, [partial(run, work) for work in answers])
    assert sorted(getattr(result, "status", result) for result in results) == ["claim_closed", "moved"]
    with transaction():
        assert identity.person_of(phone) in persons.values()
        assert session.scalar(select(func.count()).select_from(IdentityRelease)) == 1
    assert sorted(living(world).values()) == [1, 10, 100]
    assert broken("") == []
