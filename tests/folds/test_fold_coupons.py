"""Coupons of a merged member: numbers, references, codes, holds, and the history that only moves whole."""

from __future__ import annotations

import coupon_factories as coupons
import psycopg
import pytest
from factories import World
from invariants import broken
from merging import books, members, merge, split
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.errors import LimitReached
from app.coupons.models import Coupon


def issue(world: World, member_id: int, campaign_id: int, ref: str) -> int:
    with transaction():
        return commands.issue(
            brand_id=world.brand_id, member_id=member_id, campaign_id=campaign_id, source="tier", source_ref=ref
        )


def names(world: World, member_id: int) -> list[tuple[int, str | None]]:
    with transaction():
        rows = session.execute(
            select(Coupon.seq, Coupon.source_ref)
            .where(Coupon.brand_id == world.brand_id, Coupon.member_id == member_id)
            .order_by(Coupon.seq)
        )
        return [(row.seq, row.source_ref) for row in rows]


def test_the_limit_counts_both(world: World) -> None:
    winner, loser = members(world, 2)
    campaign_id = coupons.campaign(world, per_member=3)
    for member_id in (winner, loser, loser):
        coupons.coupon(world, campaign_id, member_id=member_id)
    before = books(world)
    merge(world, winner, loser)
    assert [seq for seq, _ in names(world, winner)] == [1, 2, 3]
    for member_id in (winner, loser):
        with pytest.raises(LimitReached):
            coupons.coupon(world, campaign_id, member_id=member_id)
    split(world, loser)
    assert books(world) == before
    coupons.coupon(world, campaign_id, member_id=loser)


def test_who_had_all_they_may_keep_it_and_get_no_more(world: World) -> None:
    winner, loser = members(world, 2)
    campaign_id = coupons.campaign(world, per_member=1)
    for member_id in (winner, loser):
        coupons.coupon(world, campaign_id, member_id=member_id)
    merge(world, winner, loser)
    assert [seq for seq, _ in names(world, winner)] == [1, 2]
    assert broken("coupons.") == []
    with pytest.raises(LimitReached):
        coupons.coupon(world, campaign_id, member_id=winner)


def test_two_of_one_reference_stand_side_by_side(world: World) -> None:
    winner, loser = members(world, 2)
    campaign_id = coupons.campaign(world, per_member=5)
    mine, theirs = (issue(world, one, campaign_id, "benefit:1:once") for one in (winner, loser))
    before = books(world)
    merge(world, winner, loser)
    assert names(world, winner) == [(1, "benefit:1:once"), (2, f"benefit:1:once@{theirs}")]
    assert issue(world, winner, campaign_id, "benefit:1:once") == mine
    assert issue(world, loser, campaign_id, "benefit:1:once") == mine
    split(world, loser)
    assert books(world) == before
    assert issue(world, loser, campaign_id, "benefit:1:once") == theirs


def test_a_reference_that_only_the_loser_had_is_known_at_the_winner(world: World) -> None:
    winner, loser = members(world, 2)
    campaign_id = coupons.campaign(world, per_member=5)
    given = issue(world, loser, campaign_id, "task:1")
    merge(world, winner, loser)
    assert issue(world, winner, campaign_id, "task:1") == issue(world, loser, campaign_id, "task:1") == given


def test_a_code_works_before_during_and_after(world: World) -> None:
    winner, loser = members(world, 2)
    first, second, third = (coupons.coupon(world, member_id=loser) for _ in range(3))
    used = coupons.redeem(world, first.code)
    merge(world, winner, loser)
    during = coupons.redeem(world, second.code)
    assert during.member_id == winner
    with transaction():  # a redemption from before the merge is given back where it is now
        assert commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id).member_id == winner
    split(world, loser)
    assert coupons.redeem(world, third.code).member_id == loser
    with transaction():
        assert commands.give_back(brand_id=world.brand_id, redemption_id=during.redemption_id).member_id == loser


def test_a_held_coupon_stays_held_for_its_order(world: World) -> None:
    winner, loser = members(world, 2)
    held = coupons.coupon(world, member_id=loser)
    where = {"counter": coupons.till(world), "coupon_id": held.coupon_id, "order_no": "O1"}
    with transaction():
        commands.lock(**where, member_id=loser)
    merge(world, winner, loser)
    with transaction():  # the same order may hold it longer, by either id, and let it go
        commands.lock(**where, member_id=loser)
        assert queries.owned(world.brand_id, winner, held.coupon_id).locked_order == f"till:{world.store.id}:O1"
        assert commands.release(**where, member_id=loser)


def test_claims_and_gifts_of_a_merged_member_are_the_winners(world: World) -> None:
    winner, loser = members(world, 2)
    merge(world, winner, loser)
    claimed = commands.claim(
        brand_id=world.brand_id, member_id=loser, campaign_id=coupons.campaign(world), key=coupons.key("miniapp:1")
    )
    given = issue(world, loser, coupons.campaign(world), "task:2")
    with transaction():
        assert {one.coupon_id for one in queries.wallet(world.brand_id, winner)} == {claimed.coupon_id, given}


HISTORY = "brand_id = :brand_id AND coupon_id = :coupon_id"
REFUSED = {
    "deleted": f"DELETE FROM coupon_event WHERE {HISTORY}",
    "changed": f"UPDATE coupon_event SET cause = 'x' WHERE {HISTORY}",
    "changed on the way": f"""
        WITH gone AS (DELETE FROM coupon_event WHERE {HISTORY} RETURNING *)
        INSERT INTO coupon_event (brand_id, member_id, coupon_id, event_id, from_status, to_status, cause, at,
                                  correlation_id)
        SELECT brand_id, :other, coupon_id, event_id, from_status, to_status, 'another cause', at, correlation_id
        FROM gone
    """,
}


@pytest.mark.parametrize("moving", [False, True], ids=["at any time", "in a transaction that moves rows"])
@pytest.mark.parametrize("how", REFUSED)
def test_history_is_never_lost_nor_changed(world: World, how: str, moving: bool) -> None:
    winner, loser = members(world, 2)
    one = coupons.coupon(world, member_id=loser)
    with pytest.raises(DBAPIError) as refused, transaction():
        session.execute(text("SET LOCAL session_replication_role = origin"))
        if moving:
            session.execute(text(f"SET LOCAL siyu.moving_to = '{winner}'"))
        # Only the triggers stand in the way here, not the foreign key.
        session.execute(
            text("ALTER TABLE coupon_event DISABLE TRIGGER ALL; ALTER TABLE coupon_event ENABLE TRIGGER USER")
        )
        session.execute(
            text(REFUSED[how]),
            {"brand_id": world.brand_id, "coupon_id": one.coupon_id}
            | ({"other": winner} if how == "changed on the way" else {}),
        )
    assert isinstance(refused.value.orig, psycopg.errors.RestrictViolation)
