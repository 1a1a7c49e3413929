"""Arriving, linking, merging, deciding, splitting, rebinding and erasing in any order, in two brands, with orders,
points and coupons in between: every book stays whole, no point is made or lost, an order sent again is the same order,
and a split with nothing in between undoes all of a merge.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import ClassVar

import pytest
from coupon_factories import campaign, key, redeem
from factories import make_world
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from invariants import broken
from loyalty import an_order, set_rules
from merging import books
from sqlalchemy import func, select

from app.core import clock
from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import run, transaction
from app.coupons import commands as coupons
from app.coupons.models import Coupon
from app.flows import bind_phone, erase, merge, people, phone_claim, reviews, split, till_member
from app.flows.order_paid import order_paid
from app.identity import queries as identity
from app.identity.errors import IdentityConflict, PersonErased
from app.identity.models import IdentityReview, PersonMerge
from app.identity.rules import Identity, mobile
from app.members import commands as members
from app.members import queries as member_queries
from app.members.models import Member
from app.points import commands as points
from app.points import queries as point_queries
from app.points.errors import NotEnough
from app.points.models import Balance
from app.sales.rules import OrderData

INDEX = st.integers(min_value=0, max_value=11)
PHONES = [f"1371234000{n}" for n in range(4)]


class People(RuleBasedStateMachine):
    """The real store beside two numbers: how many points the members of each brand have together."""

    empty: ClassVar[Callable[[], None]]  # each round begins with nothing, so that one that fails can be played again

    @initialize()
    def open(self) -> None:
        self.world = make_world()
        self.brand = self.world.brand_id
        self.other = make_world()
        self.elsewhere = self.other.brand_id
        self.bought: list[tuple[Identity, OrderData, int]] = []
        set_rules(self.brand)
        self.campaign = campaign(self.world, per_member=2, amount_fen=100)
        self.names: list[Identity] = []
        self.steps, self.totals = 0, dict.fromkeys((self.brand, self.elsewhere), 0)
        for phone in (None, PHONES[0], None, PHONES[1], None):
            self.come(phone, unionid=False)
        for index in range(len(self.names)):
            self.earn(index, 100 + index)

    def one(self, index: int) -> Identity:
        return self.names[index % len(self.names)]

    def person(self, name: Identity) -> int | None:
        return identity.person_of(name)

    def member(self, name: Identity) -> Member | None:
        person_id = self.person(name)
        return None if person_id is None else member_queries.member_of(self.brand, person_id)

    @rule(phone=st.none() | st.sampled_from(PHONES), unionid=st.booleans())
    def arrive(self, phone: str | None, unionid: bool) -> None:
        """A shopper in the mini-program, or a store card whose phone may be somebody's."""
        self.come(phone, unionid=unionid)

    def come(self, phone: str | None, *, unionid: bool) -> None:
        n = len(self.names)
        if phone is None:
            told = [Identity("openid", f"wx-{self.brand}-{n}", f"o{n}")]
            if unionid:
                told.append(Identity("unionid", f"open-{self.brand}", f"u{n}"))
            with transaction():
                person_id = people.link(brand_id=self.brand, ids=told, source="test").person_id
                members.join(brand_id=self.brand, person_id=person_id, source="miniapp", name=f"客{n}")
            self.names.append(told[0])
        else:
            with transaction():
                till_member.open_card(
                    brand_id=self.brand,
                    store_id=self.world.store.id,
                    card_no=f"C{n}",
                    phone=phone,
                    name=f"客{n}",
                    birthday=date(1990, 5, 1),
                )
            self.names.append(till_member.card_identity(self.brand, f"C{n}"))

    @precondition(lambda self: self.names)
    @rule(index=INDEX, amount=st.integers(min_value=1, max_value=500))
    def earn(self, index: int, amount: int) -> None:
        member = self.member(self.one(index))
        if member is not None:
            self.steps += 1
            with transaction():
                points.earn(
                    brand_id=self.brand,
                    member_id=member.member_id,
                    currency="points",
                    amount=amount,
                    cause=f"test:{self.steps}",
                    at=clock.now(),
                )
            self.totals[self.brand] += amount

    @precondition(lambda self: self.names)
    @rule(index=INDEX, amount=st.integers(min_value=1, max_value=500))
    def join_elsewhere(self, index: int, amount: int) -> None:
        """The same human in another brand of the group, with a wallet of its own there."""
        person_id = self.person(self.one(index))
        if person_id is None:
            return
        self.steps += 1
        with transaction():
            member_id = members.join(brand_id=self.elsewhere, person_id=person_id, source="till", name="别处")
            points.earn(
                brand_id=self.elsewhere,
                member_id=member_id,
                currency="points",
                amount=amount,
                cause=f"test:{self.steps}",
                at=clock.now(),
            )
        self.totals[self.elsewhere] += amount

    @precondition(lambda self: self.names)
    @rule(index=INDEX, yuan=st.integers(min_value=1, max_value=900))
    def buy(self, index: int, yuan: int) -> None:
        member = self.member(self.one(index))
        if member is not None:
            self.steps += 1
            order = an_order(f"T{self.steps}", yuan * 100, store_id=self.world.store.id)
            paid = run(lambda: order_paid(brand_id=self.brand, member_id=member.member_id, order=order))
            assert paid.new
            self.totals[self.brand] += paid.points
            self.bought.append((self.one(index), order, paid.order_id))

    @precondition(lambda self: self.bought)
    @rule(index=INDEX)
    def send_again(self, index: int) -> None:
        """A till sends an order again, by what it knows its customer by: it is the same order, whoever they are now."""
        name, order, order_id = self.bought[index % len(self.bought)]
        member = self.member(name)
        if member is not None:
            paid = run(lambda: order_paid(brand_id=self.brand, member_id=member.member_id, order=order))
            assert (paid.order_id, paid.new) == (order_id, False)

    @precondition(lambda self: self.names)
    @rule(index=INDEX, amount=st.integers(min_value=1, max_value=200))
    def spend(self, index: int, amount: int) -> None:
        member = self.member(self.one(index))
        if member is None:
            return
        self.steps += 1
        common = {"brand_id": self.brand, "member_id": member.member_id, "cause": f"test:{self.steps}"}
        try:
            with transaction():
                points.spend(amount=amount, at=clock.now(), **common)  # type: ignore[arg-type]
            self.totals[self.brand] -= amount
        except NotEnough:
            pass

    @precondition(lambda self: self.names)
    @rule(index=INDEX)
    def claim(self, index: int) -> None:
        member = self.member(self.one(index))
        if member is not None:
            try:
                coupons.claim(
                    brand_id=self.brand,
                    member_id=member.member_id,
                    campaign_id=self.campaign,
                    key=key(f"miniapp:{member.member_id}"),
                )
            except SiyuError as refusal:
                assert refusal.code in ("limit_reached", "campaign_limit", "coupon_limit", "claimed_already"), (
                    refusal.code
                )

    @rule(index=INDEX)
    def use(self, index: int) -> None:
        with transaction():
            mine = select(Coupon.code).where(Coupon.brand_id == self.brand, Coupon.status == "claimed")
            codes = list(session.scalars(mine.order_by(Coupon.coupon_id)))
        if codes:
            redeem(self.world, codes[index % len(codes)])

    @precondition(lambda self: self.names)
    @rule(index=INDEX, other=INDEX)
    def vouched(self, index: int, other: int) -> None:
        """WeChat says that two are one; of cards, a human must."""
        pair = {one for one in (self.one(index), self.one(other)) if one.kind == "openid"}
        if pair:
            run(lambda: people.link(brand_id=self.brand, ids=sorted(pair), source="test"))

    @precondition(lambda self: self.names)
    @rule(index=INDEX, phone=st.sampled_from(PHONES))
    def typed_in(self, index: int, phone: str) -> None:
        """Somebody types a phone: nothing of a second member moves."""
        before = self.balances()
        run(lambda: people.link(brand_id=self.brand, ids=[self.one(index), mobile(phone)], source="test"))
        assert self.balances() == before

    @precondition(lambda self: any(one.kind == "openid" for one in self.names))
    @rule(index=INDEX, phone=st.sampled_from(PHONES), mine=st.booleans(), right=st.booleans())
    def bind(self, index: int, phone: str, mine: bool, right: bool) -> None:
        """The mini-program proves a phone; where it is somebody's, the shopper answers."""
        known = [one for one in self.names if one.kind == "openid" and self.person(one) is not None]
        if not known:
            return
        openid = known[index % len(known)]
        before, holder = self.balances(), self.person(mobile(phone))
        bound = run(lambda: bind_phone.bind(brand_id=self.brand, openid=openid, phone=phone))
        if bound.claim_id is None:
            return
        assert self.balances() == before and holder is not None
        held, claimant = bind_phone.held(self.brand, holder), self.person(openid)
        assert claimant is not None
        done = run(
            lambda: phone_claim.answer(
                brand_id=self.brand,
                person_id=claimant,
                claim_id=bound.claim_id or 0,
                mine=mine,
                card_no=min(held.cards, default="-") if right else "-",
                name=held.name,
            )
        )
        assert done.status != "merged" or (mine and right)
        if done.status != "merged":
            assert self.balances() == before

    @rule(index=INDEX, same=st.booleans())
    def decide(self, index: int, same: bool) -> None:
        with transaction():
            waiting = select(IdentityReview.id).where(IdentityReview.status != "merged").order_by(IdentityReview.id)
            found = list(session.scalars(waiting.where(IdentityReview.brand_id == self.brand)))
        if found:
            try:
                run(lambda: reviews.decide(review_id=found[index % len(found)], same=same, by="test", reason="test"))
            except (IdentityConflict, PersonErased):
                pass

    @rule(index=INDEX)
    def take_back(self, index: int) -> None:
        found = self.merges()
        if found:
            try:
                run(lambda: split.split(merge_id=found[index % len(found)], by="test", reason="test"))
            except PersonErased:
                pass

    @precondition(lambda self: self.names)
    @rule(index=INDEX, other=INDEX)
    def there_and_back(self, index: int, other: int) -> None:
        """A merge and its split with nothing in between leave everything as it was."""
        one, two = self.person(self.one(index)), self.person(self.one(other))
        if one is None or two is None or one == two:
            return
        before, known = self.books(), set(self.merges())
        facts = self.facts()
        try:
            run(lambda: merge.merge(brand_id=self.brand, person_id=one, other_id=two, source="test", by="test"))
        except IdentityConflict:
            return
        (made,) = set(self.merges()) - known
        run(lambda: split.split(merge_id=made, by="test", reason="test"))
        assert self.books() == before
        assert self.facts() == facts

    @precondition(lambda self: self.names)
    @rule(index=INDEX, sure=st.sampled_from([True, False, False]))
    def forget(self, index: int, sure: bool) -> None:
        person_id = self.person(self.one(index))
        if person_id is None or not sure:
            return
        for member in member_queries.memberships(person_id):
            self.totals[member.brand_id] -= point_queries.balances(member.brand_id, member.member_id)["points"]
        run(lambda: erase.erase(brand_id=self.brand, actor="test", reason="test", person_id=person_id))
        assert self.person(self.one(index)) is None

    @precondition(lambda self: self.names)
    @rule(index=INDEX, sure=st.sampled_from([True, False, False]))
    def leave_the_other_brand(self, index: int, sure: bool) -> None:
        """Forgotten by one brand of the group only."""
        person_id = self.person(self.one(index))
        member = member_queries.member_of(self.elsewhere, person_id) if person_id is not None and sure else None
        if member is None:
            return
        balance = point_queries.balances(self.elsewhere, member.member_id)["points"]
        run(lambda: erase.erase(brand_id=self.elsewhere, actor="test", reason="test", member_id=member.member_id))
        self.totals[self.elsewhere] -= balance
        assert person_id is not None and member_queries.member_of(self.elsewhere, person_id) is None

    def books(self) -> list[object]:
        return [books(one) for one in (self.world, self.other)]

    def balances(self) -> dict[int, int]:
        """Points by living member, however members were merged: only what somebody has."""
        rows = select(Balance.member_id, Balance.amount).where(
            Balance.brand_id.in_(self.totals), Balance.currency == "points", Balance.amount != 0
        )
        with transaction():
            return {row.member_id: row.amount for row in session.execute(rows)}

    def facts(self) -> list[tuple[object, ...]]:
        """What members say of themselves."""
        with transaction():
            rows = session.scalars(
                select(Member)
                .where(Member.brand_id.in_(self.totals))
                .order_by(Member.member_id)
                .execution_options(populate_existing=True)
            )
            return [
                (row.member_id, row.person_id, row.status, row.merged_into, row.plain_name, row.card_no, row.phone_tail)
                for row in rows
            ]

    def merges(self) -> list[int]:
        """The standing merges of this brand's people."""
        with transaction():
            mine = select(Member.person_id).where(Member.brand_id == self.brand)
            standing = select(PersonMerge.merge_id).where(PersonMerge.revoked_at.is_(None))
            return list(session.scalars(standing.where(PersonMerge.winner_id.in_(mine)).order_by(PersonMerge.merge_id)))

    def teardown(self) -> None:
        self.empty()

    @invariant()
    def every_book_is_whole(self) -> None:
        assert broken("") == []

    @invariant()
    def no_point_is_made_or_lost(self) -> None:
        if hasattr(self, "brand"):
            with transaction():
                for brand_id, total in self.totals.items():
                    mine = (Balance.brand_id == brand_id, Balance.currency == "points")
                    assert (session.scalar(select(func.sum(Balance.amount)).where(*mine)) or 0) == total

    @invariant()
    def every_number_leads_to_somebody_living(self) -> None:
        if hasattr(self, "brand"):
            with transaction():
                numbers = session.scalars(select(Member.number).where(Member.brand_id == self.brand)).all()
                found = [member_queries.by_number(self.brand, number) for number in numbers]
            assert all(one is not None and one.status != "merged" for one in found)


@pytest.mark.slow
def test_whatever_happens_the_store_is_whole(emptied: Callable[[], None]) -> None:
    People.empty = staticmethod(emptied)
    run_state_machine_as_test(
        People,
        settings=settings(
            max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
