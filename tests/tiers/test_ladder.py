from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from factories import World
from invariants import broken
from loyalty import add_benefit, an_order, set_rules
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.core import clock
from app.core.db import session
from app.core.outbox import Outbox
from app.core.slots import Slot
from app.core.transaction import transaction
from app.flows import tier_benefits, tier_review
from app.flows.order_paid import Paid, order_paid
from app.points import queries as points
from app.tiers import commands, queries
from app.tiers.models import BenefitGrant, MemberTier

DAY = timedelta(days=1)


def buy(world: World, member_id: int, yuan: int, order_no: str, *, paid_at: datetime | None = None) -> Paid:
    with transaction():
        return order_paid(
            brand_id=world.brand_id,
            member_id=member_id,
            order=an_order(order_no, yuan * 100, store_id=world.store.id, paid_at=paid_at or clock.now()),
        )


def night(world: World) -> None:
    """What the schedule writes at 03:20."""
    with transaction():
        session.add(Slot(task="tiers.review", at=clock.now(), queue="bulk", correlation_id="cor_night"))


def spans(member_id: int) -> list[tuple[int, bool]]:
    rows = session.execute(
        select(MemberTier.tier_id, MemberTier.valid_to.is_(None))
        .where(MemberTier.member_id == member_id)
        .order_by(MemberTier.valid_from)
    )
    return [(row[0], row[1]) for row in rows]


def test_an_order_places_and_raises_in_its_own_transaction(world: World) -> None:
    tiers = set_rules(world.brand_id)
    first = buy(world, 7, 400, "A1")
    assert (first.points, first.growth, first.upgraded) == (400, 400, True)
    assert first.tier is not None and first.tier.code == "bronze"
    second = buy(world, 7, 100, "A2")
    assert second.tier is not None and (second.tier.code, second.upgraded) == ("silver", True)
    assert second.points == 100  # the rate of the tier the member had when paying
    third = buy(world, 7, 100, "A3")
    assert (third.points, third.points_balance, third.upgraded) == (120, 620, False)
    assert spans(7) == [(tiers["bronze"], False), (tiers["silver"], True)]
    current = queries.current(world.brand_id, 7)
    assert current is not None and (current.name, current.next_name, current.next_growth) == ("白银", "黄金", 2_000)
    assert broken("tiers.", "points.", "sales.") == []


def test_a_repeated_upload_earns_nothing_more(world: World) -> None:
    set_rules(world.brand_id)
    paid_at = clock.now()
    first = buy(world, 7, 600, "A1", paid_at=paid_at)
    again = buy(world, 7, 600, "A1", paid_at=paid_at)
    assert not again.new
    assert (again.order_id, again.points, again.growth, again.points_balance, again.tier) == (
        first.order_id,
        first.points,
        first.growth,
        first.points_balance,
        first.tier,
    )
    assert broken("tiers.", "points.", "sales.") == []


def test_growth_outside_the_window_does_not_count(world: World) -> None:
    set_rules(world.brand_id, window_days=100)
    old = buy(world, 7, 5_000, "A1", paid_at=clock.now() - 101 * DAY)
    assert old.tier is not None and old.tier.code == "bronze"
    assert points.balances(world.brand_id, 7)["growth"] == 5_000


def test_a_walk_in_and_a_brand_without_rules_earn_nothing(world: World) -> None:
    bare = buy(world, 7, 100, "A1")
    assert (bare.points, bare.growth, bare.tier) == (0, 0, None)
    with transaction():
        walk_in = order_paid(
            brand_id=world.brand_id, member_id=None, order=an_order("A2", 100, store_id=world.store.id)
        )
    assert walk_in.member_id is None and walk_in.points == 0
    assert broken("tiers.", "points.", "sales.") == []


def test_recomputing_changes_nothing(world: World) -> None:
    set_rules(world.brand_id)
    buy(world, 7, 600, "A1")
    before = spans(7)
    with transaction():
        assert commands.place(brand_id=world.brand_id, member_id=7, at=clock.now()) is None
    assert spans(7) == before


def test_the_nightly_review_lowers_after_protection(
    world: World, run_work: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tier_review, "CHUNK", 2)  # five members make three chunks
    tiers = set_rules(world.brand_id, window_days=100, protection_days=30)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        for member_id in range(11, 16):
            buy(world, member_id, 2_500, f"A{member_id}")
    with time_machine.travel(start + 80 * DAY, tick=False):
        buy(world, 15, 600, "B15")  # keeps silver when the window has passed the first order
        night(world)
        run_work()
        assert [spans(member_id)[-1][0] for member_id in range(11, 16)] == [tiers["gold"]] * 5
    with time_machine.travel(start + 101 * DAY, tick=False):
        night(world)
        run_work()
        lowered = [spans(member_id)[-1][0] for member_id in range(11, 16)]
        assert lowered == [tiers["bronze"]] * 4 + [tiers["silver"]]
        names = session.scalars(select(Outbox.name).where(Outbox.name == "tiers.downgraded")).all()
        assert len(names) == 5
    with time_machine.travel(start + 102 * DAY, tick=False):
        night(world)
        run_work()
        assert [spans(member_id)[-1][0] for member_id in range(11, 16)] == lowered
    assert broken("tiers.do_not_overlap", "tiers.one_current", "points.") == []


def test_a_downgraded_member_rises_again_at_once(world: World, run_work: Callable[[], int]) -> None:
    tiers = set_rules(world.brand_id, window_days=10, protection_days=0)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        buy(world, 7, 2_500, "A1")
    with time_machine.travel(start + 11 * DAY, tick=False):
        night(world)
        run_work()
        assert buy(world, 7, 500, "A2").upgraded
    assert [tier for tier, _ in spans(7)] == [tiers["gold"], tiers["bronze"], tiers["silver"]]


def test_benefits_are_granted_once_and_arrive(world: World, run_work: Callable[[], int]) -> None:
    tiers = set_rules(world.brand_id, window_days=10, protection_days=0)
    add_benefit(world.brand_id, tiers["silver"], points=100)
    add_benefit(world.brand_id, tiers["silver"], points=7, period="monthly")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        buy(world, 7, 500, "A1")
        run_work()
        assert points.balances(world.brand_id, 7)["points"] == 607
        night(world)
        run_work()
        assert points.balances(world.brand_id, 7)["points"] == 607
    with time_machine.travel(start + 11 * DAY, tick=False):
        night(world)
        run_work()  # falls to bronze
        buy(world, 7, 500, "A2")
        run_work()  # and reaches silver again: the once is over, the month has had its own
        assert points.balances(world.brand_id, 7)["points"] == 1_107
    with time_machine.travel(start + 17 * DAY + 15 * DAY, tick=False):
        buy(world, 7, 500, "A3")  # still silver
        night(world)
        run_work()
        assert points.balances(world.brand_id, 7)["points"] == 1_107 + 600 + 7
    grants = session.scalars(select(BenefitGrant.period).order_by(BenefitGrant.period)).all()
    assert grants == ["2026-03", "2026-04", "once"]


def test_recurring_benefits_go_on_in_chunks(
    world: World, run_work: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tier_benefits, "CHUNK", 2)
    tiers = set_rules(world.brand_id)
    for member_id in range(1, 6):
        buy(world, member_id, 100, f"A{member_id}")
    run_work()
    add_benefit(world.brand_id, tiers["bronze"], points=5, period="yearly")
    night(world)
    run_work()
    assert [points.balances(world.brand_id, member_id)["points"] for member_id in range(1, 6)] == [105] * 5


def test_expired_points_go_in_the_night(world: World, run_work: Callable[[], int]) -> None:
    set_rules(world.brand_id, points_months=1)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        buy(world, 7, 100, "A1")
    with time_machine.travel(start + 40 * DAY, tick=False):
        buy(world, 7, 30, "A2")
        with transaction():
            session.add(Slot(task="points.expire", at=clock.now(), queue="bulk", correlation_id="cor_night"))
        run_work()
    assert points.balances(world.brand_id, 7)["points"] == 30
    assert broken("points.") == []


def test_two_tiers_at_one_time_are_refused_by_the_table(world: World) -> None:
    tiers = set_rules(world.brand_id)
    buy(world, 7, 100, "A1")
    since = queries.current(world.brand_id, 7)
    assert since is not None
    with pytest.raises(IntegrityError, match="ex_member_tier_overlap"), transaction():
        session.add(
            MemberTier(
                brand_id=world.brand_id,
                member_id=7,
                valid_from=since.since - DAY,
                valid_to=since.since + DAY,
                tier_id=tiers["gold"],
                reason="import",
                correlation_id="cor_x",
            )
        )
        session.flush()


def test_the_invariants_see_a_wrong_tier(world: World) -> None:
    tiers = set_rules(world.brand_id, protection_days=0)
    buy(world, 7, 100, "A1")
    buy(world, 8, 800, "A2")
    with transaction():
        session.execute(
            text("UPDATE member_tier SET tier_id = :gold, valid_from = now() - interval '90 days' WHERE member_id = 7"),
            {"gold": tiers["gold"]},
        )
        session.execute(
            text("UPDATE member_tier SET tier_id = :bronze WHERE member_id = 8"), {"bronze": tiers["bronze"]}
        )
        session.execute(text("DELETE FROM balance WHERE member_id = 8 AND currency = 'points'"))
    assert {one.name for one in broken("tiers.", "points.")} == {
        "tiers.not_above_growth",
        "tiers.not_below_growth",
        "points.balances_are_sums_of_postings",
        "points.lots_sum_to_balance",
    }
