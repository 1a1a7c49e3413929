"""A Hypothesis machine whose steps are bursts: many hands do something to the same coupons at the same moment.

Who wins is open; how many do is not. After each burst the model knows how many got what, sums and states agree with
it, and all invariants hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from at_once import at_once
from coupon_crowds import claim, refund, refused, transacted, won
from coupon_factories import fresh, redeem, terms, till
from factories import World, make_world
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from invariants import broken
from sqlalchemy import select

from app.core import hot, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import CampaignBudget, CampaignDay, CampaignStock, Coupon, OrderDiscount, Redemption

QUOTA, DAY, LIMIT, BUDGET, OFF = 12, 8, 2, 1_700, 500
SOCKS = (0, 83, 167)  # what the coupon takes off the line of two socks, by how many of them came back
HANDS = 8  # as many as the session's own pool of connections holds
hands, picks = st.integers(2, HANDS), st.integers(0, 99)


@dataclass
class Mine:
    """What the model knows of a coupon: free, locked (by `order`), redeemed (`redemption`, `back` socks) or voided."""

    row: Coupon
    group: str
    state: str = "free"
    order: str = ""
    redemption: int = 0
    back: int = 0


class CouponBursts(RuleBasedStateMachine):
    """Two campaigns whose coupons go together: `a` with a day's stock and a budget, `b` with neither."""

    app: Any
    world: World

    @initialize()
    def begin(self) -> None:
        self.campaigns = {"a": self._campaign("a", DAY, BUDGET), "b": self._campaign("b", None, None)}
        self.status = dict.fromkeys("ab", "active")
        self.coupons: list[Mine] = []
        self.given = {"a": 0, "b": 0}  # to friends: two coupons that took the stock once
        self.orders = (f"B{number}-{self.campaigns['a']}" for number in range(10**6))

    def _campaign(self, group: str, day_quota: int | None, budget_fen: int | None) -> int:
        with transaction():
            return commands.create_campaign(
                brand_id=self.world.brand_id,
                code=f"BURST{ids.new_id()}",
                name="立减券",
                terms=terms(per_member=LIMIT, stack_group=group, amount_fen=OFF, transferable=True),
                quota=QUOTA,
                stripes=2,
                claimable=True,
                day_quota=day_quota,
                budget_fen=budget_fen,
            )

    def _all(self, works: list[Callable[[], Any]]) -> list[Any]:
        return at_once(self.app, works) if works else []

    def _of(self, group: str | None, *states: str) -> list[Mine]:
        return [one for one in self.coupons if one.state in states and group in (None, one.group)]

    def _one(self, which: int, *states: str) -> Mine | None:
        found = self._of(None, *states)
        return found[which % len(found)] if found else None

    def _redeem(self, one: Mine, order_no: str | None = None) -> Callable[[], Any]:
        """For an order of its own, unless one is named."""
        return partial(redeem, self.world, one.row.code, order_no=order_no or next(self.orders))

    def _lock(self, one: Mine, order_no: str) -> Callable[[], Any]:
        keys = {"member_id": one.row.member_id, "coupon_id": one.row.coupon_id}

        def work() -> None:
            commands.lock(counter=till(self.world), **keys, order_no=order_no)

        return transacted(work)

    def _give_back(self, one: Mine) -> Callable[[], Any]:
        work = partial(commands.give_back, brand_id=self.world.brand_id, redemption_id=one.redemption)
        return transacted(lambda: work().returned_at)

    def _left(self, group: str) -> int:
        return min(QUOTA, DAY if group == "a" else QUOTA) - self._issued(group)

    def _issued(self, group: str) -> int:
        return sum(one.group == group for one in self.coupons) - self.given[group]

    def _budget_left(self) -> int:
        return BUDGET - sum(OFF - SOCKS[one.back] for one in self._of("a", "redeemed"))

    def _works(self, one: Mine, *, redeeming: bool = False) -> bool:
        """Whether the coupon's campaign lets it be used now."""
        open_ = self.status[one.group] == "active"
        return open_ and not (redeeming and one.group == "a" and self._budget_left() < OFF)

    def _keys(self, one: Mine) -> dict[str, int]:
        return {"brand_id": self.world.brand_id, "member_id": one.row.member_id, "coupon_id": one.row.coupon_id}

    def _take(self, group: str, results: list[Any], expected: int) -> None:
        taken = won(results)
        assert len(taken) == expected, results
        assert set(refused(results)) <= {
            "sold_out", "sold_out_today", "limit_reached", "campaign_paused", "campaign_closed"
        }  # fmt: skip
        rows = {row.coupon_id: row for row in _rows(Coupon)}
        self.coupons += [Mine(rows[one.coupon_id], group) for one in taken]

    @rule(group=st.sampled_from("ab"), count=hands)
    def many_members_claim(self, group: str, count: int) -> None:
        crowd = ids.new_ids(count)
        results = self._all([partial(claim, self.world, self.campaigns[group], who) for who in crowd])
        self._take(group, results, min(count, self._left(group)) if self.status[group] == "active" else 0)

    @rule(group=st.sampled_from("ab"), count=hands)
    def one_member_claims_with_many_hands(self, group: str, count: int) -> None:
        member_id = ids.new_id()
        results = self._all([lambda: claim(self.world, self.campaigns[group], member_id)] * count)
        self._take(group, results, min(count, LIMIT, self._left(group)) if self.status[group] == "active" else 0)

    @rule(which=picks, count=hands)
    def many_orders_redeem_one(self, which: int, count: int) -> None:
        one = self._one(which, "free")
        if one is None:
            return
        results = self._all([self._redeem(one) for _ in range(count)])
        usable = self._works(one, redeeming=True)
        assert len(won(results)) == usable, results
        for done in won(results):
            self._redeemed(one, done)

    def _redeemed(self, one: Mine, done: Any) -> None:
        one.state, one.redemption, one.back = "redeemed", done.redemption_id, 0

    @rule(count=hands)
    def many_redeem_from_one_budget(self, count: int) -> None:
        some = self._of("a", "free")[:count]
        if not some or self.status["a"] != "active":
            return
        left = self._budget_left() // OFF
        results = self._all([self._redeem(one) for one in some])
        assert len(won(results)) == min(len(some), left)
        assert set(refused(results)) <= {"budget_spent"}
        self._match(some, results)

    def _match(self, some: list[Mine], results: list[Any]) -> None:
        for one, done in zip(some, results, strict=True):
            if not isinstance(done, str):
                self._redeemed(one, done)

    @rule(count=hands)
    def many_coupons_want_one_order(self, count: int) -> None:
        """Of each stacking group one gets on it."""
        some, order_no = self._of(None, "free")[:count], next(self.orders)
        fit = {one.group for one in some if self._works(one, redeeming=True)}
        results = self._all([self._redeem(one, order_no) for one in some])
        assert len(won(results)) == len(fit), results
        self._match(some, results)

    @rule(which=picks, count=hands)
    def many_refund_one_sock_each(self, which: int, count: int) -> None:
        one = self._one(which, "redeemed")
        if one is None:
            return
        results = self._all([transacted(lambda: refund(self.world, one.redemption, (2, 1)))] * count)
        expected = min(count, 2 - one.back)
        assert sum(done.fen for done in won(results)) == SOCKS[one.back + expected] - SOCKS[one.back]
        assert len(won(results)) == expected and set(refused(results)) <= {"refund_too_large"}
        one.back += expected

    @rule(which=picks, count=hands)
    def many_return_one(self, which: int, count: int) -> None:
        one = self._one(which, "redeemed")
        if one is None:
            return
        results = self._all([self._give_back(one)] * count)
        assert len(won(results)) == 1 and set(refused(results)) <= {"redemption_returned"}
        one.state = "free"

    @rule(which=picks, count=hands)
    def many_orders_hold_one(self, which: int, count: int) -> None:
        one = self._one(which, "free")
        if one is None:
            return
        names = [next(self.orders) for _ in range(count)]
        results = self._all([self._lock(one, order_no) for order_no in names])
        assert results.count(None) == 1 and set(results) <= {None, "coupon_locked", "busy"}
        one.state, one.order = "locked", names[results.index(None)]

    @rule(which=picks, count=hands)
    def an_order_redeems_what_it_holds_while_others_try_and_it_lets_go(self, which: int, count: int) -> None:
        one = self._one(which, "locked")
        if one is None:
            return
        keys = {"member_id": one.row.member_id, "coupon_id": one.row.coupon_id}
        let_go = transacted(lambda: commands.release(counter=till(self.world), **keys, order_no=one.order))
        results = self._all([self._redeem(one, one.order), let_go, *(self._redeem(one) for _ in range(count - 2))])
        done = [result for result in results if not isinstance(result, str | bool)]
        assert len(done) <= self._works(one, redeeming=True)
        assert done or results[1] is True  # either it was used, or it was let go
        one.state = "free"
        for redemption in done:
            self._redeemed(one, redemption)

    @rule(which=picks, count=hands)
    def redeem_return_and_hold_at_once(self, which: int, count: int) -> None:
        """Too much at once to say who wins: what became of it is what the database says, and it must add up."""
        one = self._one(which, "redeemed")
        if one is None:
            return
        works = [self._give_back(one)] * 2
        works += [self._lock(one, next(self.orders)) if no % 2 else self._redeem(one) for no in range(count - 2)]
        results = self._all(works)
        assert len(won(results[:2])) >= 1
        now = fresh(self.world, one.row.member_id, one.row.coupon_id)
        done = [result for result in results if isinstance(result, commands.Redemption)]
        assert len(done) <= 2 and now.status in ("redeemed", "locked", "returned")
        one.state, one.order = {"returned": "free"}.get(now.status, now.status), _number(now)
        if now.status == "redeemed":
            self._redeemed(one, next(result for result in done if result.redemption_id == _live(one)))

    @rule(which=picks, count=hands)
    def many_friends_take_one_and_the_giver_wants_it_back(self, which: int, count: int) -> None:
        one = self._one(which, "free")
        if one is None or self.status[one.group] != "active":
            return
        transfer_id = transacted(partial(commands.offer_transfer, **self._keys(one)))()
        take = partial(commands.take_transfer, brand_id=self.world.brand_id, token=commands.token_of(transfer_id))
        keys = {"brand_id": self.world.brand_id, "member_id": one.row.member_id, "transfer_id": transfer_id}
        works = [transacted(partial(take, member_id=friend)) for friend in ids.new_ids(count - 1)]
        results = self._all([*works, transacted(partial(commands.take_back_transfer, **keys))])
        assert refused(results) == {"transfer_ended": count - 1}
        if results[-1] is not None:  # a friend was first
            row = next(row for row in _rows(Coupon) if row.coupon_id in results)
            one.state = "voided"
            self.coupons.append(Mine(row, one.group))
            self.given[one.group] += 1

    @rule(group=st.sampled_from("ab"))
    def pause_or_go_on(self, group: str) -> None:
        if self.status[group] != "voided":
            self._switch(group, "paused" if self.status[group] == "active" else "active")

    def _switch(self, group: str, status: str) -> None:
        with transaction():
            commands.set_status(brand_id=self.world.brand_id, campaign_id=self.campaigns[group], status=status)
        self.status[group] = status

    @rule(which=picks)
    def withdraw_while_some_are_redeemed(self, which: int) -> None:
        """The campaign is voided, and while the sweep goes through its coupons tills still try: none gets through."""
        if which > 9:  # seldom, as little happens afterwards
            return
        self._switch("b", "voided")
        some = self._of("b", "free")[:4]
        works: list[Callable[[], Any]] = [transacted(commands.withdraw)] * 3
        results = self._all([*works, *(self._redeem(one) for one in some)])
        assert set(refused(results[3:])) <= {"campaign_voided", "coupon_voided"} and won(results[3:]) == []
        transacted(commands.withdraw)()
        for one in self._of("b", "free", "locked"):
            one.state = "voided"

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        if not hasattr(self, "coupons"):
            return
        rows = {row.coupon_id: row for row in _rows(Coupon)}
        for one in self.coupons:
            now = rows[one.row.coupon_id]
            assert {"claimed": "free", "returned": "free"}.get(now.status, now.status) == one.state
            assert _number(now) == (one.order if one.state == "locked" else "")
        for group, campaign_id in self.campaigns.items():
            issued = sum(row.issued for row in _rows(CampaignStock) if row.campaign_id == campaign_id)
            assert issued == self._issued(group)
        budget = next(row for row in _rows(CampaignBudget) if row.campaign_id == self.campaigns["a"])
        assert budget.budget_fen - budget.spent_fen == self._budget_left()
        today = [row.issued for row in _rows(CampaignDay) if row.campaign_id == self.campaigns["a"]]
        assert sum(today) == self._issued("a")
        assert all(row.discount_fen <= row.total_fen for row in _rows(OrderDiscount))
        assert broken("coupons.") == []


def _rows(model: Any) -> list[Any]:
    with transaction():
        return list(session.query(model).populate_existing())


def _live(one: Mine) -> int:
    with transaction():
        found = session.scalars(
            select(Redemption.redemption_id).where(
                Redemption.coupon_id == one.row.coupon_id, Redemption.returned_at.is_(None)
            )
        )
        return int(found.one())


def _number(held: Coupon) -> str:
    """The number of the order that holds a coupon."""
    return (held.locked_order or "").rpartition(":")[2]


@pytest.fixture
def crowded(app: Any) -> Iterator[Any]:
    """The application with a hot pool for a crowd."""
    known = app.extensions["siyu"]
    hot.configure(known.database_url, 2 * HANDS)
    yield app
    hot.configure(known.database_url, known.hot_pool_size)


@pytest.mark.slow
def test_bursts_leave_sums_and_states_right(crowded: Any) -> None:
    made = make_world()
    for row in session:
        session.refresh(row)
    session.remove()  # what many threads read is nobody's session's

    class Here(CouponBursts):
        app, world = crowded, made

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=10, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
