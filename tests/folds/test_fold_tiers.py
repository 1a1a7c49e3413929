"""Tiers and benefits through a merge and a split: the better of both, and each its own again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from factories import World
from loyalty import add_benefit, an_order
from merging import books, members, merge, split
from sqlalchemy import delete, select, update

from app.core import clock
from app.core.db import session
from app.core.outbox import Delivery, Outbox
from app.core.transaction import transaction
from app.flows.order_paid import order_paid
from app.points import queries as points
from app.tiers import commands, queries
from app.tiers.models import Benefit, BenefitGrant, TierPolicy


def order(world: World, member_id: int, number: str, yuan: int, *, days_ago: int = 0) -> None:
    with transaction():
        order_paid(
            brand_id=world.brand_id,
            member_id=member_id,
            order=an_order(number, yuan * 100, store_id=world.store.id, paid_at=clock.now() - timedelta(days=days_ago)),
        )


def tier_of(world: World, member_id: int) -> str | None:
    with transaction():
        found = queries.current(world.brand_id, member_id)
        return found.code if found else None


def upgrades(world: World) -> list[tuple[int, str]]:
    rows = session.scalars(select(Outbox).where(Outbox.name == "tiers.upgraded").order_by(Outbox.id))
    return [(row.payload["member_id"], row.payload["tier_name"]) for row in rows]


def test_the_better_of_both_without_congratulations(world: World) -> None:
    winner, loser = members(world, 2)
    order(world, winner, "W1", 10)
    order(world, loser, "L1", 600)
    told, before = upgrades(world), books(world)
    merge(world, winner, loser)
    assert (tier_of(world, winner), tier_of(world, loser)) == ("silver", None)
    assert upgrades(world) == told
    split(world, loser)
    assert (tier_of(world, winner), tier_of(world, loser)) == ("bronze", "silver")
    assert books(world) == before


def test_together_they_rise_and_apart_they_fall(world: World) -> None:
    winner, loser = members(world, 2)
    order(world, winner, "W1", 300)
    order(world, loser, "L1", 300)
    before = books(world)
    merge(world, winner, loser)
    assert tier_of(world, winner) == "silver" and upgrades(world)[-1] == (winner, "白银")
    split(world, loser)
    assert tier_of(world, winner) == tier_of(world, loser) == "bronze"
    assert books(world) == before


def test_a_protected_tier_is_not_lost_by_a_merge(world: World) -> None:
    """The loser's growth has left the window, and protection still keeps its tier."""
    winner, loser = members(world, 2)
    order(world, winner, "W1", 10)
    order(world, loser, "L1", 600, days_ago=3)
    with transaction():
        session.execute(update(TierPolicy).values(window_days=1, protection_days=30))
    merge(world, winner, loser)
    assert tier_of(world, winner) == "silver"
    split(world, loser)
    assert (tier_of(world, winner), tier_of(world, loser)) == ("bronze", "silver")


def test_what_was_reached_since_stays_if_it_was_earned_alone(world: World) -> None:
    winner, loser = members(world, 2)
    order(world, winner, "W1", 10)
    order(world, loser, "L1", 600)
    merge(world, winner, loser)
    order(world, winner, "W2", 2_100)
    assert tier_of(world, winner) == "gold"
    split(world, loser)
    assert (tier_of(world, winner), tier_of(world, loser)) == ("gold", "silver")


def test_what_was_reached_since_with_the_others_growth_is_lost(world: World) -> None:
    winner, loser = members(world, 2)
    order(world, winner, "W1", 600)
    order(world, loser, "L1", 1_300)
    merge(world, winner, loser)
    assert tier_of(world, winner) == "silver"
    order(world, winner, "W2", 200)
    assert tier_of(world, winner) == "gold"
    split(world, loser)
    assert (tier_of(world, winner), tier_of(world, loser)) == ("silver", "silver")


def test_two_who_brought_a_tier_leave_in_the_order_they_came(world: World) -> None:
    """While the first leaves, the second still holds what the winner has; nothing of it is left when they go too."""
    for own in (0, 10):
        winner, first, second = members(world, 3)
        if own:
            order(world, winner, f"W{own}", own)
        order(world, first, f"A{own}", 600)
        order(world, second, f"B{own}", 700)
        before = books(world)
        merge(world, winner, first)
        merge(world, winner, second)
        split(world, first)
        assert tier_of(world, winner) == "silver"
        split(world, second)
        assert tier_of(world, winner) == ("bronze" if own else None)
        assert books(world) == before


def test_who_bought_long_ago_while_merged_has_a_tier_when_parted(world: World) -> None:
    winner, loser = members(world, 2)
    order(world, loser, "L1", 10)
    merge(world, winner, loser)
    order(world, winner, "W1", 10, days_ago=400)  # counts for nothing, but they have bought
    split(world, loser)
    assert tier_of(world, winner) == "bronze"


def test_the_nightly_review_passes_over_a_merged_member(world: World) -> None:
    winner, loser = members(world, 2)
    order(world, loser, "L1", 600)
    with transaction():
        session.execute(update(TierPolicy).values(protection_days=0))
    merge(world, winner, loser)
    with transaction():
        asked = queries.unprotected(world.brand_id, after=0, at=clock.now() + timedelta(minutes=1), limit=10)
    assert set(asked) == {winner}


def _grant(world: World, member_id: int, benefit_id: int) -> bool:
    with transaction():
        benefit = session.get_one(Benefit, (world.brand_id, benefit_id))
        return commands.grant(brand_id=world.brand_id, member_id=member_id, benefit=benefit, period="once")


def test_a_benefit_is_had_once_by_both_together(world: World, run_work: Any) -> None:
    winner, loser = members(world, 2)
    tiers: Any = world.extra["tiers"]
    both, only_theirs = add_benefit(world.brand_id, tiers["bronze"]), add_benefit(world.brand_id, tiers["gold"])
    order(world, winner, "W1", 10)
    order(world, loser, "L1", 10)
    assert _grant(world, winner, both) and _grant(world, loser, both) and _grant(world, loser, only_theirs)
    run_work()
    before = books(world)
    merge(world, winner, loser)
    assert not _grant(world, winner, both) and not _grant(world, winner, only_theirs)
    with transaction():
        owed = queries.ungranted(world.brand_id, periods={"monthly": "2026-11"}, limit=10)
    assert owed == []
    split(world, loser)
    assert books(world) == before
    assert not _grant(world, loser, only_theirs) and _grant(world, winner, only_theirs)


def test_a_benefit_on_its_way_arrives_once(world: World, run_work: Any) -> None:
    """Granted to the loser before the merge, delivered after it; delivered before, told again after."""
    winner, loser = members(world, 2)
    benefit_id = add_benefit(world.brand_id, world.extra["tiers"]["bronze"], points=40)  # type: ignore[index]
    order(world, loser, "L1", 10)
    _grant(world, loser, benefit_id)
    merge(world, winner, loser)
    run_work()
    with transaction():
        session.execute(update(Outbox).where(Outbox.name == "tiers.benefit_granted").values(fanned_out_at=None))
        session.execute(delete(Delivery))
    run_work()
    with transaction():
        assert points.balances(world.brand_id, winner)["points"] == 10 + 40


def test_what_was_granted_to_somebody_merged_is_granted_to_who_lives_on(world: World, run_work: Any) -> None:
    """The upgrade was told before the merge and is dealt with long after it."""
    winner, loser = members(world, 2)
    benefit_id = add_benefit(world.brand_id, world.extra["tiers"]["bronze"])  # type: ignore[index]
    order(world, winner, "W1", 10)
    run_work()
    merge(world, winner, loser)
    run_work()
    assert not _grant(world, loser, benefit_id)  # they have it as the winner
    only_theirs = add_benefit(world.brand_id, world.extra["tiers"]["gold"])  # type: ignore[index]
    assert _grant(world, loser, only_theirs) and not _grant(world, winner, only_theirs)
    with transaction():
        held = select(BenefitGrant.member_id).where(BenefitGrant.benefit_id == only_theirs)
        assert session.scalars(held).all() == [winner]
