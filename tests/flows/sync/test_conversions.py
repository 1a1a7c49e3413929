"""Mini-program users and WeCom's customers find each other, also before anybody added anybody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from tencent import Tencent

from app.core import clock, context, ids
from app.core.db import session
from app.core.slots import Slot
from app.core.transaction import transaction
from app.flows import people
from app.flows.sync import conversions
from app.flows.sync.models import Conversion
from app.identity import queries as identity
from app.identity.rules import Identity
from app.members import commands as members
from app.members import queries as member_queries

PATH = "idconvert/unionid_to_external_userid"


class Case:
    """`user(name)`: a member who logged in to the mini-program and whom WeCom may know; `hour()`: one slot's work."""

    def __init__(self, tencent: Tencent, run_work: Any) -> None:
        self.tencent, self.world, self.run_work = tencent, tencent.world, run_work
        self.corp_id, self.appid = tencent.corp_id, tencent.appid

    def user(self, name: str, *, openid: str | None = None) -> int:
        customer = self.tencent.customer(name)
        assert customer.unionid is not None
        known = [
            Identity("openid", self.appid, openid or customer.openids[self.appid]),
            Identity("unionid", "open1", customer.unionid),
        ]
        with transaction():
            person = people.link(brand_id=self.world.brand_id, ids=known, source="test").person_id
            members.join(brand_id=self.world.brand_id, person_id=person, source="miniapp", store_id=None)
        return person

    def hour(self, *, night: bool = False) -> None:
        at = clock.now().replace(hour=19 if night else 4)  # three o'clock in China
        with transaction():
            row = Slot(id=ids.new_id(), task="sync.convert", at=at, correlation_id=context.new_correlation_id())
            conversions.begin(row)
        self.run_work()

    def outcomes(self) -> dict[tuple[str, str], Conversion]:
        with transaction():
            rows = session.scalars(select(Conversion).execution_options(populate_existing=True))
            return {(row.kind, row.subject): row for row in rows}

    def owner(self, kind: Any, value: str) -> int | None:
        with transaction():
            return identity.person_of(Identity(kind, self.corp_id, value))

    def calls(self) -> int:
        return sum(row["name"] == PATH for row in self.tencent.engine.journal.after(0, 10_000, "call"))


@pytest.fixture
def case(tencent: Tencent, run_work: Any) -> Iterator[Case]:
    yield Case(tencent, run_work)


def test_a_customer_whose_callback_was_lost_is_found(case: Case) -> None:
    person = case.user("a")
    case.tencent.add("a")
    case.tencent.waiting = []
    case.hour()
    assert case.owner("external_userid", case.tencent.external("a")) == person
    assert case.outcomes()["user", str(person)].outcome == "customer"
    case.hour(night=True)
    assert case.calls() == 1


def test_a_user_who_is_nobodys_customer_gets_a_pending_id(case: Case) -> None:
    person = case.user("a")
    case.hour()
    row = case.outcomes()["user", str(person)]
    assert row.outcome == "pending" and row.pending_id is not None
    assert case.owner("pending", row.pending_id) == person
    assert row.expires_at is not None and row.expires_at - row.asked_at > timedelta(days=89)
    case.hour()
    assert case.calls() == 1  # not asked again within the month


def test_a_pending_id_is_asked_about_again_and_let_go_at_its_end(case: Case) -> None:
    person = case.user("a")
    case.hour()
    first = case.outcomes()["user", str(person)]
    with time_machine.travel(clock.now() + timedelta(days=31)):
        case.hour()
        again = case.outcomes()["user", str(person)]
        assert case.calls() == 2
        assert (again.pending_id, again.expires_at) == (first.pending_id, first.expires_at)
    with time_machine.travel(clock.now() + timedelta(days=91)):
        case.hour()
        renewed = case.outcomes()["user", str(person)]
        assert renewed.outcome == "pending" and renewed.pending_id != first.pending_id
        assert case.owner("pending", first.pending_id or "") is None
        assert case.owner("pending", renewed.pending_id or "") == person


def test_a_customer_without_a_unionid_is_known_by_their_pending_id(case: Case) -> None:
    """The corp is bound to no Open Platform account: its customers come without a unionid."""
    person = case.user("a")
    case.hour()
    customer = case.tencent.customer("a")
    unionid, customer.unionid = customer.unionid, None
    case.tencent.add("a")
    case.tencent.deliver()
    case.run_work()
    stranger = case.owner("external_userid", case.tencent.external("a"))
    assert unionid is not None and stranger is not None and stranger != person
    case.hour()
    with transaction():
        assert identity.resolve(stranger) == identity.resolve(person)
        assert member_queries.member_of(case.world.brand_id, identity.resolve(person)) is not None
    assert case.outcomes()["customer", case.tencent.external("a")].outcome == "customer"


def test_customers_are_not_asked_about_while_nobody_has_a_pending_id(case: Case) -> None:
    case.tencent.customer("a").unionid = None
    case.tencent.add("a")
    case.tencent.deliver()
    case.run_work()
    case.hour(night=True)
    assert case.outcomes() == {}


def test_many_users_in_bounded_batches(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "USERS_A_BATCH", 3)
    for number in range(8):
        case.user(f"u{number}")
    case.hour()
    assert len(case.outcomes()) == 8 and case.calls() == 8


def test_a_quota_keeps_what_was_answered(case: Case) -> None:
    for number in range(4):
        case.user(f"u{number}")
    case.tencent.engine.faults.set_quota(PATH, per_minute=2)
    case.hour()
    assert len(case.outcomes()) == 2
    case.tencent.engine.faults.reset()
    case.tencent.engine.world.advance(120)
    with time_machine.travel(clock.now() + timedelta(seconds=120)):
        case.hour()
    assert len(case.outcomes()) == 4


def test_a_refusal_is_remembered(case: Case) -> None:
    person = case.user("a", openid="somebody-elses")
    case.hour()
    row = case.outcomes()["user", str(person)]
    assert (row.outcome, row.error) == ("refused", "openid_unknown")
    case.hour()
    assert case.calls() == 1


def test_who_joined_long_ago_is_asked_about_at_night(case: Case) -> None:
    case.user("a")
    with time_machine.travel(clock.now() + timedelta(days=5)):
        case.hour()
        assert case.calls() == 0
        case.hour(night=True)
        assert case.calls() == 1


def test_the_erased_are_not_remembered(case: Case) -> None:
    person = case.user("a")
    case.hour()
    with transaction():
        conversions.forget(person_ids=[person], external_userids=[])
    assert case.outcomes() == {}
