"""What occasions give: each once, whoever merges with whom."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign
from factories import World, make_world
from gift_show import bind, rule, wallet, welcome_again
from invariants import broken
from merging import members, merge, person_of, split
from people import make_member
from sqlalchemy import update

from app.core import clock, ids, slots
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands, gift_rules, queries, referrals
from app.coupons.errors import GiftRuleExists, GiftRuleUnknown
from app.coupons.issue_models import Gift, GiftRule, Referral
from app.coupons.models import CampaignStock
from app.flows import gifts
from app.identity import commands as identity
from app.identity.rules import Identity
from app.members import commands as member_commands
from app.members.models import Member
from app.privacy import commands as privacy


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken() == []


class TestWelcome:
    def test_all_rules_of_the_day_once(self, world: World, run_work: Any) -> None:
        rule(world, "welcome")
        rule(world, "welcome")
        (member_id,) = members(world, 1)
        assert bind(world, member_id)
        run_work()
        welcome_again(world, member_id)
        rule(world, "welcome")  # a later pack is for those who come later
        welcome_again(world, member_id)
        run_work()
        assert wallet(world, member_id) == [("welcome", "claimed")] * 2

    def test_two_who_both_had_it_and_were_merged_and_parted(self, world: World, run_work: Any) -> None:
        rule(world, "welcome")
        winner, loser = members(world, 2)
        for member_id in (winner, loser):
            bind(world, member_id)
        run_work()
        merge(world, winner, loser)
        for member_id in (winner, loser):
            welcome_again(world, member_id)
        run_work()
        assert wallet(world, winner) == [("welcome", "claimed")] * 2
        split(world, loser)
        for member_id in (winner, loser):
            welcome_again(world, member_id)
        run_work()
        assert wallet(world, winner) == wallet(world, loser) == [("welcome", "claimed")]

    def test_what_one_brought_is_known_of_both(self, world: World, run_work: Any) -> None:
        rule(world, "welcome")
        winner, loser = members(world, 2)
        bind(world, loser)
        run_work()
        merge(world, winner, loser)
        welcome_again(world, winner)
        run_work()
        assert wallet(world, winner) == [("welcome", "claimed")]

    def test_a_gift_due_at_a_merge_reaches_who_lives_on_once(self, world: World, run_work: Any) -> None:
        rule(world, "welcome")
        winner, loser = members(world, 2)
        for member_id in (winner, loser):
            bind(world, member_id)
        for member_id in (winner, loser):
            welcome_again(world, member_id)
        merge(world, winner, loser)
        run_work()
        assert wallet(world, winner) == [("welcome", "claimed")]

    def test_without_a_rule_the_first_time_has_passed(self, world: World, run_work: Any) -> None:
        (member_id,) = members(world, 1)
        bind(world, member_id)
        run_work()
        rule(world, "welcome")
        welcome_again(world, member_id)
        run_work()
        assert wallet(world, member_id) == []

    def test_sold_out_waits_for_a_human_and_holds_up_nothing_else(self, world: World, run_work: Any) -> None:
        empty = campaign(world, quota=1)
        with transaction():
            session.execute(update(CampaignStock).where(CampaignStock.campaign_id == empty).values(quota=0))
        rule(world, "welcome", empty)
        rule(world, "welcome")
        (member_id,) = members(world, 1)
        bind(world, member_id)
        run_work()
        assert wallet(world, member_id) == [("welcome", "claimed")]


class TestReferrals:
    @pytest.fixture
    def rules(self, world: World) -> None:
        rule(world, "referrer")
        rule(world, "referred")

    def newcomer(self, world: World, name: str, code: str | None) -> int:
        """Somebody opens the mini-program by an invitation and joins."""
        with transaction():
            person = identity.link(
                ids=[Identity("openid", world.miniprogram.namespace, name)], source="miniapp"
            ).person_id
            gifts.invited(brand_id=world.brand_id, person_id=person, code=code)
        with transaction():
            return member_commands.join(brand_id=world.brand_id, person_id=person, source="miniapp")

    def test_both_are_given_something_once(self, world: World, rules: None, run_work: Any) -> None:
        (referrer,) = members(world, 1)
        code = referrals.code_of(world.brand_id, referrer)
        assert len(code) <= 32
        first, second = (self.newcomer(world, name, code) for name in ("n1", "n2"))
        run_work()
        assert wallet(world, referrer) == [("referral", "claimed")] * 2
        assert wallet(world, first) == wallet(world, second) == [("referral", "claimed")]
        with transaction():
            assert referrals.brought(world.brand_id, [referrer]) == 2

    @pytest.mark.parametrize("code", [None, "", "nonsense", "0" * 21, "０" * 21])
    def test_what_is_no_invitation_is_ignored(self, world: World, rules: None, run_work: Any, code: Any) -> None:
        self.newcomer(world, "n1", code)
        run_work()
        with transaction():
            assert session.query(Referral).count() == 0

    def test_a_code_of_another_brand_is_none(self, world: World) -> None:
        other = make_world()
        (referrer,) = members(world, 1)
        assert referrals.referrer_of(other.brand_id, referrals.code_of(world.brand_id, referrer)) is None

    def test_not_for_members_and_not_for_oneself(self, world: World, rules: None, run_work: Any) -> None:
        referrer, other = members(world, 2)
        code = referrals.code_of(world.brand_id, referrer)
        with transaction():
            for member_id in (referrer, other):
                gifts.invited(brand_id=world.brand_id, person_id=person_of(world, member_id), code=code)
            assert session.query(Referral).count() == 0

    def test_who_turns_out_to_be_oneself_before_it_is_given(self, world: World, rules: None, run_work: Any) -> None:
        (referrer,) = members(world, 1)
        newcomer = self.newcomer(world, "n1", referrals.code_of(world.brand_id, referrer))
        merge(world, referrer, newcomer)
        run_work()
        assert wallet(world, referrer) == []

    def test_the_last_invitation_counts_for_a_month(self, world: World, rules: None, run_work: Any) -> None:
        early, late = members(world, 2)
        with transaction():
            person = identity.link(
                ids=[Identity("openid", world.miniprogram.namespace, "n1")], source="miniapp"
            ).person_id
            for one in (early, late):
                code = referrals.code_of(world.brand_id, one)
                gifts.invited(brand_id=world.brand_id, person_id=person, code=code)
        with transaction():
            newcomer = member_commands.join(brand_id=world.brand_id, person_id=person, source="miniapp")
        run_work()
        assert (wallet(world, early), wallet(world, late)) == ([], [("referral", "claimed")])
        stale = self.newcomer(world, "n2", referrals.code_of(world.brand_id, early))
        with transaction():
            session.execute(
                update(Referral)
                .where(Referral.member_id.is_(None))
                .values(invited_at=clock.now() - referrals.GOOD_FOR)
            )
        run_work()
        assert wallet(world, stale) == [] and wallet(world, newcomer) == [("referral", "claimed")]


class TestBirthdays:
    def hour(self, moment: str) -> Any:
        return time_machine.travel(datetime.fromisoformat(moment), tick=True)

    def slot(self) -> None:
        with transaction():
            gifts.open_birthdays(slots.Slot(task="coupons.birthdays", at=clock.now(), queue="bulk", correlation_id="c"))

    def test_in_the_morning_of_the_day_once_a_year(self, world: World, run_work: Any) -> None:
        rule(world, "birthday")
        with transaction():
            today = make_member(world, birthday=date(1990, 5, 6))
            other = make_member(world, birthday=date(1990, 5, 7))
            refuses = make_member(world, birthday=date(1991, 5, 6))
            privacy.record(
                brand_id=world.brand_id,
                person_id=person_of(world, refuses),
                purpose="marketing",
                granted=False,
                source="miniapp",
            )
        with self.hour("2027-05-06T08:59:00+08:00"):
            self.slot()
            run_work()
            assert wallet(world, today) == []
        with self.hour("2027-05-06T09:05:00+08:00"):
            for _ in range(2):
                self.slot()
                run_work()
            assert wallet(world, today) == [("birthday", "claimed")]
            assert wallet(world, other) == wallet(world, refuses) == []
        with transaction():  # a birthday told anew gives no second gift in the year
            session.get_one(Member, (world.brand_id, today)).birthday = date(1990, 5, 7)
        with self.hour("2027-05-07T10:05:00+08:00"):
            self.slot()
            run_work()
        assert len(wallet(world, today)) == 1 and len(wallet(world, other)) == 1
        with self.hour("2028-05-07T10:05:00+08:00"):
            self.slot()
            run_work()
        assert len(wallet(world, today)) == 2

    def test_days_before_and_a_schedule_that_stood_still(self, world: World, run_work: Any) -> None:
        rule(world, "birthday", days_before=3)
        with transaction():
            born = [make_member(world, birthday=date(1990, 1, day)) for day in (1, 2, 3)]
        with self.hour("2027-12-29T10:05:00+08:00"):
            self.slot()
            run_work()
        assert [len(wallet(world, one)) for one in born] == [1, 0, 0]
        with self.hour("2027-12-31T10:05:00+08:00"):
            self.slot()
            run_work()
        assert [len(wallet(world, one)) for one in born] == [1, 1, 1]

    def test_days_on_which_the_rule_was_off_are_past(self, world: World, run_work: Any) -> None:
        rule_id = rule(world, "birthday")
        with transaction():
            born = {day: make_member(world, birthday=date(1990, 5, day)) for day in (6, 8, 11, 12)}

        def on_day(day: int, *, active: bool | None = None) -> None:
            with self.hour(f"2027-05-{day:02}T10:05:00+08:00"):
                if active is not None:
                    with transaction():
                        commands.change_gift_rule(brand_id=world.brand_id, rule_id=rule_id, active=active)
                self.slot()
                run_work()

        on_day(5)
        on_day(6, active=False)
        on_day(8)
        on_day(12, active=True)
        assert [len(wallet(world, one)) for one in born.values()] == [0, 0, 0, 1]
        with transaction():  # one that was on all the time still catches up
            late = make_member(world, birthday=date(1990, 5, 13))
        on_day(14, active=True)
        assert len(wallet(world, late)) == 1

    def test_days_are_kept(self) -> None:
        assert gift_rules.born_on(date(2027, 2, 28)) == [(2, 28), (2, 29)]
        assert gift_rules.born_on(date(2028, 2, 28)) == [(2, 28)]
        today = date(2027, 1, 10)
        assert gift_rules.owed_days(None, today) == [today]
        assert gift_rules.owed_days(today, today) == []
        assert len(gift_rules.owed_days(date(2020, 1, 1), today)) == gift_rules.CATCH_UP_DAYS


def test_rules_are_added_once_and_switched(world: World) -> None:
    campaign_id = campaign(world)
    rule_id = rule(world, "welcome", campaign_id)
    with pytest.raises(GiftRuleExists):
        rule(world, "welcome", campaign_id)
    with transaction():
        commands.change_gift_rule(brand_id=world.brand_id, rule_id=rule_id, active=False)
        assert queries.gift_rules(world.brand_id, "welcome") == []
        with pytest.raises(GiftRuleUnknown):
            commands.change_gift_rule(brand_id=world.brand_id, rule_id=ids.new_id(), active=True)
        assert session.query(GiftRule).count() == 1 and session.query(Gift).count() == 0
