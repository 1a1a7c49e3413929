"""Debts on either side of a merge, causes that count once for both, and the ledger's own guards."""

from __future__ import annotations

from typing import Any

import pytest
from factories import World
from invariants import broken
from merging import books, members, merge, split
from sqlalchemy import text

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.members import family
from app.points import commands as points
from app.points import queries
from app.points.errors import NotEnough
from app.points.models import Balance


def earn(world: World, member_id: int, amount: int, cause: str, **more: Any) -> int | None:
    with transaction():
        return points.earn(
            brand_id=world.brand_id,
            member_id=member_id,
            currency="points",
            amount=amount,
            cause=cause,
            at=clock.now(),
            **more,
        )


def spend(world: World, member_id: int, amount: int, cause: str) -> bool:
    with transaction():
        return points.spend(brand_id=world.brand_id, member_id=member_id, amount=amount, cause=cause, at=clock.now())


def indebted(world: World, member_id: int, debt: int) -> None:
    """A member who may owe, and does."""
    with transaction():
        session.add(
            Balance(brand_id=world.brand_id, member_id=member_id, currency="points", amount=0, floor=-10 * debt)
        )
    spend(world, member_id, debt, "on tick")


def balance(world: World, member_id: int) -> int:
    with transaction():
        return queries.balances(world.brand_id, member_id)["points"]


@pytest.mark.parametrize("debtor", [0, 1], ids=["the winner owes", "the loser owes"])
@pytest.mark.parametrize("debt", [30, 100, 250])
def test_one_pays_what_the_other_owes_and_gets_it_back(world: World, debtor: int, debt: int) -> None:
    two = members(world, 2)
    indebted(world, two[debtor], debt)
    earn(world, two[1 - debtor], 60, "a")
    earn(world, two[1 - debtor], 90, "b")
    before = books(world)
    merge(world, *two)
    assert balance(world, two[0]) == 150 - debt
    assert broken("points.") == []
    split(world, two[1])
    assert books(world) == before


def test_debt_paid_in_between_is_owed_by_nobody(world: World) -> None:
    winner, loser = members(world, 2)
    indebted(world, loser, 100)
    merge(world, winner, loser)
    assert balance(world, winner) == -100
    with pytest.raises(NotEnough):  # what a merge brought below the floor is no credit
        spend(world, winner, 1, "more")
    earn(world, winner, 130, "a")
    split(world, loser)
    assert (balance(world, winner), balance(world, loser)) == (30, 0)


def test_a_debt_goes_through_a_chain_and_back(world: World) -> None:
    three = members(world, 3)
    indebted(world, three[2], 100)
    earn(world, three[0], 70, "a")
    earn(world, three[1], 50, "b")
    before = books(world)
    merge(world, three[1], three[2])
    merge(world, three[0], three[1])
    assert balance(world, three[0]) == 20
    split(world, three[2])
    assert broken("points.") == [] and balance(world, three[2]) == -100
    split(world, three[1])
    assert books(world) == before


def test_a_cause_counts_once_for_all_who_are_one(world: World) -> None:
    winner, loser = members(world, 2)
    earn(world, loser, 50, "poll:1")
    spend(world, loser, 20, "gift:1")
    merge(world, winner, loser)
    for member_id in (winner, loser):
        assert earn(world, member_id, 50, "poll:1") is None
        assert spend(world, member_id, 20, "gift:1") is False
    assert balance(world, winner) == 30


def test_twin_without_looking_at_the_loser_a_cause_counts_twice(world: World) -> None:
    """What the look at merged members' journals is for: the unique cause alone stands at one member."""
    winner, loser = members(world, 2)
    earn(world, loser, 50, "poll:1")
    merge(world, winner, loser)
    with transaction():
        unique = session.scalar(
            text("SELECT count(*) FROM journal WHERE member_id = :member AND kind = 'earn' AND cause = 'poll:1'"),
            {"member": winner},
        )
    assert unique == 0


def test_who_was_merged_earns_and_spends_as_the_other(world: World) -> None:
    winner, loser = members(world, 2)
    merge(world, winner, loser)
    assert earn(world, loser, 40, "gift") == 40
    assert spend(world, loser, 15, "toy")
    assert (balance(world, winner), balance(world, loser)) == (25, 0)
    split(world, loser)  # what came after the merge stays
    assert (balance(world, winner), balance(world, loser)) == (25, 0)


def test_keep_answers_an_id_nobody_has_as_it_is(world: World) -> None:
    with transaction():
        assert family.keep(brand_id=world.brand_id, member_id=17) == 17


def test_many_lots_move_in_one_pair_of_journals(world: World) -> None:
    winner, loser = members(world, 2)
    for number in range(45):
        earn(world, loser, 10, f"gift:{number}")
    before = books(world)
    merge(world, winner, loser)
    assert balance(world, winner) == 450
    with transaction():
        journals = session.scalar(text("SELECT count(*) FROM journal WHERE kind = 'merge'"))
    assert journals == 2
    split(world, loser)
    assert books(world) == before
