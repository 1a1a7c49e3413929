"""Whatever is bought and however time goes: the tier is what growth in the window and protection say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import time_machine
from factories import make_world
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from invariants import broken
from loyalty import STEPS, an_order, set_rules

from app.core.transaction import transaction
from app.flows.order_paid import order_paid
from app.tiers import commands, queries

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW, PROTECTION, MEMBER = 60, 20, 7


class Ladder(RuleBasedStateMachine):
    """The real ladder beside a model: purchases as (day, yuan), the rank and the day it was reached."""

    def __init__(self) -> None:
        super().__init__()
        self.world = make_world()
        self.tiers = set_rules(self.world.brand_id, window_days=WINDOW, protection_days=PROTECTION)
        self.day, self.number, self.rank, self.since = 0, 0, 0, 0
        self.bought: list[tuple[int, int]] = []

    def _earned_rank(self) -> int:
        growth = sum(yuan for day, yuan in self.bought if day > self.day - WINDOW)
        return max(rank for rank, step in enumerate(STEPS, 1) if step[2] <= growth)

    def _at(self) -> time_machine.travel:
        return time_machine.travel(BEGIN + timedelta(days=self.day), tick=False)

    @rule(yuan=st.sampled_from([0, 100, 300, 500, 1_400, 2_000]), late=st.sampled_from([0, 0, 0, 5, 70]))
    def buy(self, yuan: int, late: int) -> None:
        """An order, perhaps uploaded some days after it was paid."""
        self.number += 1
        paid_at = BEGIN + timedelta(days=self.day - late)
        order = an_order(f"A{self.number}", yuan * 100, store_id=self.world.store.id, paid_at=paid_at)
        with self._at(), transaction():
            paid = order_paid(brand_id=self.world.brand_id, member_id=MEMBER, order=order)
        self.bought.append((self.day - late, yuan))
        earned = self._earned_rank()
        assert paid.upgraded == (earned > self.rank)
        if earned > self.rank:
            self.rank, self.since = earned, self.day

    @rule(days=st.sampled_from([1, 19, 20, 40, 61]))
    def wait(self, days: int) -> None:
        self.day += days

    @rule()
    def night(self) -> None:
        with self._at(), transaction():
            commands.review(brand_id=self.world.brand_id, after=0, at=BEGIN + timedelta(days=self.day), limit=100)
        earned = self._earned_rank()
        if self.rank and earned < self.rank and self.day >= self.since + PROTECTION:
            self.rank, self.since = earned, self.day

    @rule()
    def recompute(self) -> None:
        """Asking again changes nothing, except that somebody new is placed."""
        with self._at(), transaction():
            moved = commands.place(brand_id=self.world.brand_id, member_id=MEMBER, at=BEGIN + timedelta(days=self.day))
        assert (moved is not None) == (self.rank == 0)
        if self.rank == 0:
            self.rank, self.since = self._earned_rank(), self.day

    @invariant()
    def the_tier_is_what_the_ledger_says(self) -> None:
        current = queries.current(self.world.brand_id, MEMBER)
        assert (current.rank if current else 0) == self.rank
        assert broken("tiers.do_not_overlap", "tiers.one_current", "points.", "sales.") == []


def test_any_life_on_the_ladder(app) -> None:  # type: ignore[no-untyped-def]
    Ladder.TestCase.settings = settings(
        max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Ladder.TestCase().runTest()
