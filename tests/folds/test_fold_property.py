"""Random wallets, merged, lived with, and parted: what nobody touched is as it was, what was touched is all there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import coupon_factories as coupons
from factories import World, make_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invariants import broken
from loyalty import an_order, set_rules
from merging import books, members, merge, merge_again, split
from sqlalchemy import select

from app.core import clock
from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.coupons.errors import CouponUnknown
from app.coupons.models import Coupon
from app.flows.order_paid import order_paid
from app.points import commands as points
from app.points import queries as points_queries
from app.points.models import Balance
from app.sales.models import SalesOrder

BOOKS = ("points", "tiers", "coupons", "sales", "members")
SLOW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
DOINGS = ("order", "gift", "ending gift", "spend", "expire", "claim", "redeem", "hold")
# What is done, by which of the three members, and how much.
DEED = st.tuples(st.sampled_from(DOINGS), st.integers(0, 2), st.integers(1, 400))


class Life:
    """A world with three members and what happens to them. Every number is used once."""

    def __init__(self) -> None:
        self.world: World = make_world()
        set_rules(self.world.brand_id)
        self.members = members(self.world, 3)
        self.campaign = coupons.campaign(self.world, per_member=4, quota=1000)
        self.number = 0

    def do(self, deed: tuple[str, int, int]) -> None:
        what, who, amount = deed
        self.number += 1
        try:
            getattr(self, what.replace(" ", "_"))(self.members[who], amount)
        except SiyuError:
            pass  # not enough points, a limit reached, a coupon used up: part of life

    def order(self, member_id: int, amount: int) -> None:
        at = clock.now() - timedelta(days=amount)
        order = an_order(f"O{self.number}", amount * 100, store_id=self.world.store.id, paid_at=at)
        with transaction():
            order_paid(brand_id=self.world.brand_id, member_id=member_id, order=order)

    def gift(self, member_id: int, amount: int, days: int | None = None) -> None:
        now = clock.now()
        with transaction():
            points.earn(
                brand_id=self.world.brand_id,
                member_id=member_id,
                currency="points",
                amount=amount,
                cause=f"gift:{self.number}",
                at=now,
                expires_at=None if days is None else now + timedelta(days=days),
            )

    def ending_gift(self, member_id: int, amount: int) -> None:
        self.gift(member_id, amount, days=amount % 20)

    def spend(self, member_id: int, amount: int) -> None:
        with transaction():
            points.spend(
                brand_id=self.world.brand_id,
                member_id=member_id,
                amount=amount,
                cause=f"toy:{self.number}",
                at=clock.now(),
            )

    def expire(self, member_id: int, amount: int) -> None:
        with transaction():
            points.expire(
                brand_id=self.world.brand_id,
                member_ids=sorted(self.members),
                at=clock.now() + timedelta(days=amount % 20),
            )

    def claim(self, member_id: int, amount: int) -> None:
        coupons.commands.claim(
            brand_id=self.world.brand_id,
            member_id=member_id,
            campaign_id=self.campaign,
            key=coupons.key(f"miniapp:{member_id}"),
        )

    def redeem(self, member_id: int, amount: int) -> None:
        coupons.redeem(self.world, self._coupon(amount).code)

    def hold(self, member_id: int, amount: int) -> None:
        one = self._coupon(amount)
        with transaction():
            coupons.commands.lock(
                counter=coupons.till(self.world),
                member_id=one.member_id,
                coupon_id=one.coupon_id,
                order_no=f"H{self.number}",
            )

    def _coupon(self, amount: int) -> Any:
        with transaction():
            rows = session.execute(
                select(Coupon.coupon_id, Coupon.member_id, Coupon.code)
                .where(Coupon.brand_id == self.world.brand_id)
                .order_by(Coupon.coupon_id)
            ).all()
        if not rows:
            raise CouponUnknown()
        return rows[amount % len(rows)]

    def totals(self) -> dict[str, Any]:
        """What merging and parting must not change, whoever has it."""
        with transaction():
            mine = {"brand_id": self.world.brand_id}
            balances = session.query(Balance).filter_by(**mine).populate_existing().all()
            return {
                "points": sum(row.amount for row in balances if row.currency == "points"),
                "growth": sum(row.amount for row in balances if row.currency == "growth"),
                "orders": session.query(SalesOrder).filter_by(**mine).count(),
                "coupons": sorted(
                    (row.coupon_id, row.status)
                    for row in session.query(Coupon).filter_by(**mine).populate_existing().all()
                ),
            }


@SLOW
@given(before=st.lists(DEED, max_size=12), first=st.booleans(), last=st.booleans())
def test_wallets_nobody_touches_are_what_they_were(
    app: Any, before: list[tuple[str, int, int]], first: bool, last: bool
) -> None:
    life = Life()
    for deed in before:
        life.do(deed)
    one, two, three = life.members
    books_before, totals = books(life.world), life.totals()
    for winner, loser in ((one, two), (two, three)) if first else ((two, three), (one, two)):
        merge(life.world, winner, loser)
        assert broken(*BOOKS) == [] and life.totals() == totals
    merge_again(life.world, two)
    for loser in (two, three) if last else (three, two):
        split(life.world, loser)
        assert broken(*BOOKS) == [] and life.totals() == totals
    assert books(life.world) == books_before


@SLOW
@given(before=st.lists(DEED, max_size=8), between=st.lists(DEED, min_size=1, max_size=8), last=st.booleans())
def test_what_is_touched_in_between_is_all_there(
    app: Any, before: list[tuple[str, int, int]], between: list[tuple[str, int, int]], last: bool
) -> None:
    life = Life()
    for deed in before:
        life.do(deed)
    one, two, three = life.members
    merge(life.world, two, three)
    merge(life.world, one, two)
    for deed in between:
        life.do(deed)
        assert broken(*BOOKS) == []
    with transaction():
        assert points_queries.balances(life.world.brand_id, two) == {"points": 0, "growth": 0}
    for loser in (two, three) if last else (three, two):
        totals = life.totals()
        split(life.world, loser)
        assert broken(*BOOKS) == [] and life.totals() == totals
    for deed in between:  # and life goes on, each for themselves
        life.do(deed)
    assert broken(*BOOKS) == []
