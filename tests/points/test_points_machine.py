"""Any order of earning, spending, expiring and repeating leaves a ledger that proves itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariants import broken

from app.core import ids
from app.core.db import session
from app.core.transaction import transaction
from app.points import commands, queries
from app.points.errors import NotEnough
from app.points.models import Balance

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNTS = st.integers(min_value=1, max_value=40)


class Ledger(RuleBasedStateMachine):
    """The real ledger beside a model of it: a balance, and lots as (expiry day, left)."""

    def __init__(self) -> None:
        super().__init__()
        self.brand, self.member = ids.new_id(), ids.new_id()
        self.day, self.number, self.floor = 0, 0, 0
        self.balance, self.lots = 0, []  # type: ignore[var-annotated]
        self.done: list[tuple[str, str, int]] = []

    @initialize(floor=st.sampled_from([0, 0, -25]))
    def open(self, floor: int) -> None:
        self.floor = floor
        with transaction():
            session.add(Balance(brand_id=self.brand, member_id=self.member, currency="points", amount=0, floor=floor))

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(days=self.day)

    def _run(self, kind: str, cause: str, amount: int, days: int | None = None) -> bool:
        common = {"brand_id": self.brand, "member_id": self.member, "amount": amount, "cause": cause, "at": self.now}
        with transaction():
            if kind == "spend":
                return commands.spend(**common)  # type: ignore[arg-type]
            ends = None if days is None else self.now + timedelta(days=days)
            return commands.earn(currency="points", expires_at=ends, **common) is not None  # type: ignore[arg-type]

    def _expire_model(self) -> None:
        gone = sum(left for ends, left in self.lots if ends is not None and ends <= self.day)
        self.lots = [(ends, left) for ends, left in self.lots if ends is None or ends > self.day]
        self.balance -= gone

    @rule(amount=AMOUNTS, days=st.none() | st.integers(min_value=1, max_value=30))
    def earn(self, amount: int, days: int | None) -> None:
        self.number += 1
        assert self._run("earn", f"c{self.number}", amount, days)
        self.done.append(("earn", f"c{self.number}", amount))
        self.balance += amount
        kept = max(0, min(amount, self.balance))
        if kept:
            self.lots.append((None if days is None else self.day + days, kept))

    @rule(amount=AMOUNTS)
    def spend(self, amount: int) -> None:
        self.number += 1
        if self.balance - self._expired() - amount < self.floor:
            with pytest.raises(NotEnough):
                self._run("spend", f"c{self.number}", amount)
            return  # the refusal took back the booking of what had expired as well
        assert self._run("spend", f"c{self.number}", amount)
        self._expire_model()
        self.done.append(("spend", f"c{self.number}", amount))
        self.balance -= amount
        self.lots.sort(key=lambda lot: lot[0] if lot[0] is not None else 10**6)
        for index, (ends, left) in enumerate(self.lots):
            used = min(left, amount)
            self.lots[index], amount = (ends, left - used), amount - used

    def _expired(self) -> int:
        return sum(left for ends, left in self.lots if ends is not None and ends <= self.day)

    @rule(days=st.integers(min_value=1, max_value=20))
    def wait(self, days: int) -> None:
        self.day += days

    @rule()
    def expire(self) -> None:
        with transaction():
            commands.expire(brand_id=self.brand, member_ids=[self.member], at=self.now)
        self._expire_model()

    @precondition(lambda self: self.done)
    @rule(data=st.data(), other=st.booleans())
    def repeat(self, data: st.DataObject, other: bool) -> None:
        kind, cause, amount = data.draw(st.sampled_from(self.done))
        assert not self._run(kind, cause, amount + other)
        if kind == "spend":
            self._expire_model()

    @invariant()
    def the_ledger_proves_itself(self) -> None:
        assert queries.balances(self.brand, self.member)["points"] == self.balance
        assert broken("points.") == []


def test_any_order_of_events(app) -> None:  # type: ignore[no-untyped-def]
    Ledger.TestCase.settings = settings(
        max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Ledger.TestCase().runTest()
