"""A Hypothesis machine lives coupons through every transition; after each step all invariants hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon, fresh, key, redeem, terms, till
from factories import World, make_world
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from invariants import broken

from app.core import clock, context, ids
from app.core.db import session
from app.core.errors import SiyuError
from app.core.outbox import Outbox
from app.core.slots import Slot
from app.core.transaction import transaction
from app.coupons import codes, commands
from app.coupons.commands import sweep
from app.coupons.models import Coupon
from app.flows import coupons as flow

MEMBERS = tuple(ids.new_ids(3))
ORDERS = ("O1", "O2", "O3")
QUOTA, LIMIT, DAYS, BUDGET = 5, 2, 3, 1_200
# What the coupon takes off each line of the basket, and after how much of it went back.
SHARES = {1: (0, 333), 2: (0, 83, 167)}
members, orders = st.sampled_from(MEMBERS), st.sampled_from(ORDERS)


class CouponLife(RuleBasedStateMachine):
    """A model beside the real thing: what each coupon's state must be, kept in a dictionary."""

    world: World

    @initialize()
    def begin(self) -> None:
        self.frozen = time_machine.travel(clock.now(), tick=False)
        self.traveller = self.frozen.start()
        with transaction():
            self.campaign_id = commands.create_campaign(
                brand_id=self.world.brand_id,
                code=f"LIFE{ids.new_id()}",
                name="立减券",
                terms=terms(per_member=LIMIT, valid_days=DAYS),
                quota=QUOTA,
                stripes=2,
                claimable=True,
                budget_fen=BUDGET,
            )
        self.state: dict[int, str] = {}
        self.coupons: dict[int, Coupon] = {}
        self.live: dict[int, int] = {}  # coupon -> its redemption
        self.on: dict[int, str] = {}  # coupon -> the order of its redemption
        self.back: dict[int, dict[int, int]] = {}  # coupon -> line -> what of it was refunded
        self.held: dict[int, tuple[str, Any]] = {}
        self.paused = False

    def teardown(self) -> None:
        if hasattr(self, "frozen"):
            self.frozen.stop()
            assert broken() == []

    def _refused(self, code: str | set[str], work: Any) -> None:
        with pytest.raises(SiyuError) as refused:
            work()
        assert refused.value.code in ({code} if isinstance(code, str) else code)

    def _pick(self, which: int) -> Coupon | None:
        return self.coupons[sorted(self.coupons)[which % len(self.coupons)]] if self.coupons else None

    def _over(self, one: Coupon) -> bool:
        return clock.now() >= one.valid_to

    @rule(member_id=members, issued=st.booleans())
    def take(self, member_id: int, issued: bool) -> None:
        def work() -> int:
            if not issued:
                return commands.claim(
                    brand_id=self.world.brand_id,
                    member_id=member_id,
                    campaign_id=self.campaign_id,
                    key=key(f"miniapp:{member_id}"),
                ).coupon_id
            with transaction():
                return commands.issue(
                    brand_id=self.world.brand_id,
                    member_id=member_id,
                    campaign_id=self.campaign_id,
                    source="push",
                    source_ref=str(ids.new_id()),
                )

        had = sum(one.member_id == member_id for one in self.coupons.values())
        if self.paused:
            self._refused("campaign_paused", work)
        elif had >= LIMIT:
            self._refused("limit_reached", work)
        elif len(self.coupons) >= QUOTA:
            self._refused("sold_out", work)
        else:
            coupon_id = work()
            self.coupons[coupon_id] = fresh(self.world, member_id, coupon_id)
            self.state[coupon_id] = "claimed"

    @rule(which=st.integers(0, 9), order_no=orders, rotating=st.booleans())
    def redeem(self, which: int, order_no: str, rotating: bool) -> None:
        one = self._pick(which)
        if one is None:
            return
        code = codes.rotating(one.code, clock.now())[0] if rotating else one.code
        state, hold = self.state[one.coupon_id], self.held.get(one.coupon_id)
        work = lambda: redeem(self.world, code, order_no=f"{order_no}-{self.campaign_id}")  # noqa: E731
        if state == "redeemed":
            self._refused("coupon_redeemed", work)
        elif state == "expired" or self._over(one):
            self._refused("coupon_expired", work)
        elif state == "locked" and hold and hold[0] != order_no and hold[1] > clock.now():
            self._refused("coupon_locked", work)
        elif rotating and self._replayed(one):
            self._refused("code_replayed", work)
        elif self.paused:
            self._refused("campaign_paused", work)
        elif order_no in self.on.values():
            self._refused("coupon_not_stackable", work)
        elif self._spent() + 500 > BUDGET:
            self._refused("budget_spent", work)
        else:
            self.live[one.coupon_id] = work().redemption_id
            self.on[one.coupon_id], self.back[one.coupon_id] = order_no, {1: 0, 2: 0}
            self.state[one.coupon_id] = "redeemed"
            self.held.pop(one.coupon_id, None)

    def _spent(self) -> int:
        return sum(500 - sum(SHARES[line][had] for line, had in self.back[one].items()) for one in self.live)

    @rule(which=st.integers(0, 9), first=st.integers(0, 2), second=st.integers(0, 2))
    def refund(self, which: int, first: int, second: int) -> None:
        if not self.live or not first + second:
            return
        coupon_id = sorted(self.live)[which % len(self.live)]
        redemption_id, had = self.live[coupon_id], self.back[coupon_id]
        lines = [(line, quantity) for line, quantity in ((1, first), (2, second)) if quantity]
        refund_no = f"R{ids.new_id()}"

        def work() -> int:
            with transaction():
                return commands.refund(
                    brand_id=self.world.brand_id, redemption_id=redemption_id, refund_no=refund_no, lines=lines
                ).fen

        if any(had[line] + quantity >= len(SHARES[line]) for line, quantity in lines):
            self._refused("refund_too_large", work)
            return
        expected = sum(SHARES[line][had[line] + quantity] - SHARES[line][had[line]] for line, quantity in lines)
        assert work() == expected == work()
        for line, quantity in lines:
            had[line] += quantity
        if all(had[line] == len(SHARES[line]) - 1 for line in SHARES):
            self._over_with(coupon_id)

    def _over_with(self, coupon_id: int) -> None:
        for kept in (self.live, self.on, self.back):
            kept.pop(coupon_id)
        self.state[coupon_id] = "returned"

    def _replayed(self, one: Coupon) -> bool:
        step = fresh(self.world, one.member_id, one.coupon_id).code_step
        return step is not None and step >= codes.step_at(clock.now())

    @rule(which=st.integers(0, 9))
    def give_back(self, which: int) -> None:
        if not self.live:
            return
        coupon_id = sorted(self.live)[which % len(self.live)]
        redemption_id = self.live[coupon_id]
        with transaction():
            commands.give_back(brand_id=self.world.brand_id, redemption_id=redemption_id)
        self._over_with(coupon_id)

        def again() -> None:
            with transaction():
                commands.give_back(brand_id=self.world.brand_id, redemption_id=redemption_id)

        self._refused("redemption_returned", again)

    @rule(which=st.integers(0, 9), order_no=orders)
    def lock(self, which: int, order_no: str) -> None:
        one = self._pick(which)
        if one is None:
            return

        def work() -> None:
            with transaction():
                commands.lock(
                    counter=till(self.world),
                    member_id=one.member_id,
                    coupon_id=one.coupon_id,
                    order_no=f"{order_no}-{self.campaign_id}",
                    hold=timedelta(minutes=10),
                )

        state, hold = self.state[one.coupon_id], self.held.get(one.coupon_id)
        if state == "redeemed":
            self._refused("coupon_redeemed", work)
        elif state == "expired" or self._over(one):
            self._refused("coupon_expired", work)
        elif state == "locked" and hold and hold[0] != order_no and hold[1] > clock.now():
            self._refused("coupon_locked", work)
        else:
            work()
            self.state[one.coupon_id] = "locked"
            self.held[one.coupon_id] = (order_no, clock.now() + timedelta(minutes=10))

    @rule(which=st.integers(0, 9), order_no=orders)
    def release(self, which: int, order_no: str) -> None:
        one = self._pick(which)
        if one is None:
            return
        with transaction():
            done = commands.release(
                counter=till(self.world),
                member_id=one.member_id,
                coupon_id=one.coupon_id,
                order_no=f"{order_no}-{self.campaign_id}",
            )
        assert done == (self.held.get(one.coupon_id, ("",))[0] == order_no)
        if done:
            self.held.pop(one.coupon_id)
            self.state[one.coupon_id] = "claimed"

    @rule(minutes=st.sampled_from([1, 15, 60 * 12, 60 * 24 * 2]))
    def time_goes_by(self, minutes: int) -> None:
        self.traveller.shift(timedelta(minutes=minutes))

    @rule()
    def sweep(self) -> None:
        with transaction():
            commands.release_ended_locks()
            commands.expire()
        for coupon_id, (_, until) in list(self.held.items()):
            if until <= clock.now():
                del self.held[coupon_id]
                self.state[coupon_id] = "claimed"
        for coupon_id, state in self.state.items():
            if state in ("claimed", "returned") and self._over(self.coupons[coupon_id]):
                self.state[coupon_id] = "expired"

    @rule()
    def pause_or_go_on(self) -> None:
        self.paused = not self.paused
        with transaction():
            commands.set_status(
                brand_id=self.world.brand_id,
                campaign_id=self.campaign_id,
                status="paused" if self.paused else "active",
            )

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        if not hasattr(self, "state"):
            return
        for coupon_id, one in self.coupons.items():
            assert fresh(self.world, one.member_id, coupon_id).status == self.state[coupon_id]
        assert broken("coupons.") == []


@pytest.mark.slow
def test_coupons_live_by_the_rules(app: Any) -> None:
    class Here(CouponLife):
        world = make_world()

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_sweeps_go_on_until_nothing_is_left(app: Any, run_work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "CHUNK", 2)
    monkeypatch.setattr(flow, "CHUNK", 2)
    world = make_world()
    campaign_id = campaign(world, valid_days=1)
    mine = [coupon(world, campaign_id) for _ in range(5)]
    with transaction():
        for one in mine[:3]:
            commands.lock(counter=till(world), member_id=one.member_id, coupon_id=one.coupon_id, order_no="O1")
    with time_machine.travel(clock.now() + timedelta(days=2), tick=True):
        for task in ("coupons.release_locks", "coupons.expire"):
            with transaction():
                session.add(Slot(task=task, at=clock.now(), correlation_id=context.new_correlation_id()))
            run_work()
        assert {fresh(world, one.member_id, one.coupon_id).status for one in mine} == {"expired"}
        with transaction():
            assert session.query(Outbox).filter_by(name="coupons.expired").count() == 5
    assert broken() == []
