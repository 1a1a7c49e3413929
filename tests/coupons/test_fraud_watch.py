"""What the watch finds among redemptions and coupons, flags once, and leaves to people."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from console_world import make_admins
from coupon_factories import BASKET, campaign, coupon, key
from factories import World, make_world
from invariants import broken
from people import make_member

from app.core import context, ids
from app.core.db import session
from app.core.slots import Slot
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.fraud import commands as fraud
from app.coupons.fraud import rules, watch
from app.coupons.fraud.models import Flag
from app.coupons.models import Coupon
from app.flows import cash_desk, coupon_limits
from app.identity import commands as identity
from app.identity.queries import identities_of
from app.identity.rules import Identity, mobile
from app.members import queries as members
from app.org.models import Region, Store

NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _use(world: World, member_id: int, at: datetime, *, store: Store | None = None, mine: Coupon | None = None) -> int:
    """A member uses a coupon at a moment: a fresh one, unless it is given."""
    place = store or world.store
    where = commands.Till(world.brand_id, place.id, place.dealer_id, place.region_id, "till", "till", world.till.id)
    with time_machine.travel(at, tick=False):
        mine = mine or coupon(world, member_id=member_id, valid_days=30)
        return commands.redeem(
            till=where,
            key=key(value=f"watch-{next(_numbers):08d}"),
            code=mine.code,
            order_no=f"W{next(_numbers)}",
            lines=BASKET,
        ).redemption_id


def _give(world: World, guide_id: int, at: datetime) -> Coupon:
    """A coupon a guide gives somebody at a moment."""
    with time_machine.travel(at, tick=False):
        campaign_id, member_id = campaign(world, valid_days=30), ids.new_id()
        with transaction():
            coupon_id = commands.issue(
                brand_id=world.brand_id,
                member_id=member_id,
                campaign_id=campaign_id,
                source="push",
                source_ref=f"give:{next(_numbers)}",
                guide_id=guide_id,
            )
        with transaction():
            return session.get_one(Coupon, (world.brand_id, member_id, coupon_id))


def _look(world: World, at: datetime) -> list[Flag]:
    """All flags of the brand after a look at a moment."""
    with time_machine.travel(at, tick=False), transaction():
        watch.look(world.brand_id)
    with transaction():
        session.expire_all()
        return list(session.query(Flag).where(Flag.brand_id == world.brand_id).order_by(Flag.rule, Flag.window_from))


def _rule(world: World, kind: str, threshold: int, seconds: int = 3600, *, active: bool = True) -> None:
    with transaction():
        fraud.set_rule(
            brand_id=world.brand_id, kind=kind, threshold=threshold, window_seconds=seconds, active=active, by="adm_1"
        )


def test_a_member_who_uses_many_coupons_is_flagged_once_however_often_it_is_looked(world: World) -> None:
    member_id = ids.new_id()
    used = [_use(world, member_id, NOON + timedelta(minutes=minute)) for minute in range(5)]
    _use(world, ids.new_id(), NOON)
    for minute in (5, 6, 6, 7):
        (flag,) = _look(world, NOON + timedelta(minutes=minute))
    assert (flag.rule, flag.subject, flag.member_id, flag.count) == (
        "member_redeems", f"member:{member_id}", member_id, 5,
    )  # fmt: skip
    assert (flag.status, flag.store_id) == ("open", world.store.id)
    assert [one["id"] for one in flag.evidence["things"]] == [ids.encode("rdm", one) for one in reversed(used)]
    assert {one["store"] for one in flag.evidence["things"]} == {ids.encode("sto", world.store.id)}
    assert broken("coupons") == []


def test_a_moving_window_is_counted_across_the_borders_of_looks(world: World) -> None:
    """Four before a look and one after it are five within a day; five spread over two days are not."""
    fast, slow = ids.new_id(), ids.new_id()
    for minute in range(4):
        _use(world, fast, NOON + timedelta(minutes=minute))
    for hours in range(0, 35, 7):
        _use(world, slow, NOON - timedelta(hours=20) + timedelta(hours=hours))
    assert _look(world, NOON + timedelta(minutes=10)) == []
    _use(world, fast, NOON + timedelta(hours=19))
    (flag,) = _look(world, NOON + timedelta(hours=19, minutes=1))
    assert flag.member_id == fast


def test_an_open_flag_grows_and_a_decided_one_stays_as_it_was(world: World) -> None:
    _rule(world, "member_redeems", 2)
    member_id = ids.new_id()
    for minute in range(2):
        _use(world, member_id, NOON + timedelta(minutes=minute))
    assert [flag.count for flag in _look(world, NOON + timedelta(minutes=3))] == [2]
    _use(world, member_id, NOON + timedelta(minutes=4))
    (flag,) = _look(world, NOON + timedelta(minutes=5))
    assert (flag.count, len(flag.evidence["things"])) == (3, 3)
    with transaction():
        fraud.decide(brand_id=world.brand_id, flag_id=flag.flag_id, status="cleared", words="团购", by="adm_1")
    _use(world, member_id, NOON + timedelta(minutes=6))
    (flag,) = _look(world, NOON + timedelta(minutes=7))
    assert (flag.count, flag.status, flag.words) == (3, "cleared", "团购")
    _use(world, member_id, NOON + timedelta(hours=1))
    _use(world, member_id, NOON + timedelta(hours=1, minutes=1))
    assert [one.status for one in _look(world, NOON + timedelta(hours=1, minutes=2))] == ["cleared", "open"]


def test_what_a_till_took_offline_is_looked_at_when_it_is_told(world: World) -> None:
    _rule(world, "member_redeems", 3)
    member_id, place = ids.new_id(), world.store
    with time_machine.travel(NOON, tick=False):
        mine = [coupon(world, member_id=member_id, valid_days=30) for _ in range(3)]
    assert _look(world, NOON + timedelta(days=2)) == []
    where = commands.Till(world.brand_id, place.id, place.dealer_id, place.region_id, "till", "till", world.till.id)
    with time_machine.travel(NOON + timedelta(days=2, minutes=1), tick=False), transaction():
        for number, one in enumerate(mine):
            taken = NOON + timedelta(minutes=number)
            told = commands.Receipt(f"R{number}", one.code, f"OFF-{number}", BASKET, taken, b"1")
            assert commands.take_receipt(till=where, receipt=told).row.outcome == "redeemed"
    (flag,) = _look(world, NOON + timedelta(days=2, minutes=2))
    assert (flag.rule, flag.member_id, flag.count) == ("member_redeems", member_id, 3)
    assert [one.flag_id for one in _look(world, NOON + timedelta(days=2, minutes=3))] == [flag.flag_id]


def test_what_was_committed_late_is_seen_and_what_is_old_is_not_flagged_anew(world: World) -> None:
    _rule(world, "store_redeems", 3)
    for minute in range(2):
        _use(world, ids.new_id(), NOON + timedelta(minutes=minute))
    assert _look(world, NOON + timedelta(minutes=2)) == []
    _use(world, ids.new_id(), NOON + timedelta(seconds=90))  # began before the look, committed after it
    (flag,) = _look(world, NOON + timedelta(minutes=3))
    assert (flag.rule, flag.subject, flag.count) == ("store_redeems", f"store:{world.store.id}", 3)
    assert len(_look(world, NOON + timedelta(hours=5))) == 1


def test_claims_tills_and_what_guides_give_are_counted(world: World) -> None:
    for kind in ("member_claims", "till_redeems", "guide_gives"):
        _rule(world, kind, 3)
    member_id = ids.new_id()
    with time_machine.travel(NOON, tick=False):
        for _ in range(3):
            coupon(world, member_id=member_id)
    for _ in range(3):
        _give(world, world.guide.id, NOON)
    _give(world, world.guides[1].id, NOON)
    for _ in range(3):
        _use(world, ids.new_id(), NOON)
    found = {flag.rule: flag for flag in _look(world, NOON + timedelta(minutes=1))}
    assert set(found) == {"member_claims", "till_redeems", "guide_gives"}
    assert found["member_claims"].member_id == member_id
    assert found["till_redeems"].subject == f"till:{world.till.id}"
    assert (found["guide_gives"].guide_id, found["guide_gives"].store_id) == (world.guide.id, world.store.id)
    assert all(one["id"].startswith("cpn_") for one in found["guide_gives"].evidence["things"])


def test_one_persons_rush_at_a_cash_desk_is_flagged(world: World) -> None:
    _rule(world, "desk_redeems", 3)
    admins = make_admins(world)
    busy, quiet = (
        cash_desk.Cashier(admin_id=admins[name].id, store=world.store, timezone="Asia/Shanghai")
        for name in ("store", "hq")
    )
    order = cash_desk.Order(order_no="A1", lines=cash_desk.basket(amount_fen=9900))
    for who in (busy, busy, busy, quiet, quiet):
        number = next(_numbers)
        with time_machine.travel(NOON, tick=False), context.correlated(context.new_correlation_id()):
            shown = [coupon(world, valid_days=30).code]
            its = replace(order, order_no=f"D{number}")
            with transaction():
                cash_desk.redeem(cashier=who, key=f"desk-{number:05}", codes=shown, order=its)
    (flag,) = _look(world, NOON + timedelta(minutes=1))
    assert (flag.rule, flag.subject, flag.store_id, flag.count) == (
        "desk_redeems", f"desk:{busy.admin_id}", world.store.id, 3,
    )  # fmt: skip
    assert all(one["id"].startswith("rdm_") for one in flag.evidence["things"])


def test_a_store_whose_offline_coupons_often_were_used_before_is_flagged(world: World) -> None:
    _rule(world, "offline_conflicts", 2)
    place = world.store
    where = commands.Till(world.brand_id, place.id, place.dealer_id, place.region_id, "till", "till", world.till.id)
    gone = []
    with time_machine.travel(NOON, tick=False):
        mine = [coupon(world, valid_days=30) for _ in range(3)]
    for one in mine[:2]:
        _use(world, one.member_id, NOON, mine=one)
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        for number, one in enumerate(mine):
            told = commands.Receipt(f"R{number}", one.code, f"OFF{number}", BASKET, NOON, str(number).encode())
            with transaction():
                gone.append(commands.take_receipt(till=where, receipt=told).row.outcome)
    assert gone == ["over", "over", "redeemed"]
    (flag,) = _look(world, NOON + timedelta(hours=2))
    assert (flag.rule, flag.subject, flag.count) == ("offline_conflicts", f"store:{place.id}", 2)
    assert {one["id"] for one in flag.evidence["things"]} == {ids.encode("cpn", one.coupon_id) for one in mine[:2]}


def test_a_guide_whose_coupons_are_used_at_once_in_their_own_store_is_flagged(world: World) -> None:
    _rule(world, "guide_own_store", 2)
    own, later, other = (_give(world, world.guide.id, NOON) for _ in range(3))
    _use(world, own.member_id, NOON + timedelta(minutes=2), mine=own)
    _use(world, later.member_id, NOON + timedelta(minutes=30), mine=later)
    _use(world, other.member_id, NOON + timedelta(minutes=1), mine=other, store=world.stores[1])
    assert _look(world, NOON + timedelta(minutes=31)) == []
    another = _give(world, world.guide.id, NOON + timedelta(minutes=32))
    _use(world, another.member_id, NOON + timedelta(minutes=33), mine=another)
    (flag,) = _look(world, NOON + timedelta(minutes=34))
    assert (flag.rule, flag.guide_id, flag.store_id, flag.count) == (
        "guide_own_store", world.guide.id, world.store.id, 2,
    )  # fmt: skip


def test_a_member_in_stores_and_regions_too_far_apart_is_flagged(world: World) -> None:
    with transaction():
        west = Region(brand_id=world.brand_id, code="west", name="西南")
        session.add(west)
        session.flush()
        stores = [
            Store(brand_id=world.brand_id, code=f"S1{n}", name=f"店{n}", region_id=region, dealer_id=None)
            for n, region in enumerate([world.region.id, west.id])
        ]
        session.add_all(stores)
    near, far = ids.new_id(), ids.new_id()
    for minute, store in enumerate([world.stores[0], world.stores[1], stores[0]]):
        _use(world, near, NOON + timedelta(minutes=minute), store=store)
    _use(world, far, NOON, store=world.store)
    assert [flag.rule for flag in _look(world, NOON + timedelta(minutes=3))] == ["stores_apart"]
    _use(world, far, NOON + timedelta(minutes=90), store=stores[1])
    found = {(flag.rule, flag.member_id): flag for flag in _look(world, NOON + timedelta(minutes=91))}
    assert set(found) == {("stores_apart", near), ("regions_apart", far)}
    assert found["stores_apart", near].count == 3
    assert (found["regions_apart", far].store_id, found["stores_apart", near].store_id) == (stores[1].id, stores[0].id)
    assert len(found["regions_apart", far].evidence["things"]) == 2


def _is_staff(world: World, member_id: int, brand: World) -> None:
    """Let a member bear the number of the first brand's guide among a brand's staff, as an import of it says."""
    person = members.living(world.brand_id, member_id)
    assert person is not None
    number = Identity("staff", f"{ids.encode('brd', brand.brand_id)}:hr", world.guide.userid)
    identity.link(ids=[*identities_of(person.person_id), number], source="test")


@pytest.mark.parametrize("by", ["phone", "number"])
def test_a_guide_who_uses_a_coupon_as_a_member_is_flagged(world: World, by: str) -> None:
    with transaction():
        member_id, other = make_member(world), make_member(world)
        person = members.member(world.brand_id, member_id)
        assert person is not None
        if by == "phone":
            identity.link(ids=[*identities_of(person.person_id), mobile("13812349876")], source="test")
            fraud.tell_guide_phone(brand_id=world.brand_id, guide_id=world.guide.id, phone="138 1234 9876", by="adm_1")
        else:
            _is_staff(world, member_id, world)
    _use(world, member_id, NOON)
    _use(world, other, NOON)
    (flag,) = _look(world, NOON + timedelta(minutes=1))
    assert (flag.rule, flag.member_id, flag.guide_id, flag.store_id) == (
        "staff_redeems", member_id, world.guide.id, world.store.id,
    )  # fmt: skip


def test_another_brands_number_of_staff_makes_nobody_a_guide(world: World) -> None:
    other = make_world()
    with transaction():
        member_id = make_member(world)
        _is_staff(world, member_id, other)
    _use(world, member_id, NOON)
    assert _look(world, NOON + timedelta(minutes=1)) == []


def test_a_rule_that_is_switched_off_flags_nobody(world: World) -> None:
    _rule(world, "member_redeems", 1, active=False)
    _use(world, ids.new_id(), NOON)
    assert _look(world, NOON + timedelta(minutes=1)) == []


def test_the_slot_looks_at_every_brand(app: Any, world: World) -> None:
    other = make_world()
    for one in (world, other):
        _rule(one, "store_redeems", 1)
        _use(one, ids.new_id(), NOON)
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False), transaction():
        coupon_limits.look(Slot(task="coupons.watch"))
    with transaction():
        assert {flag.brand_id for flag in session.query(Flag)} == {world.brand_id, other.brand_id}


def test_every_rule_has_a_source_and_a_default() -> None:
    assert watch.SOURCES.keys() == rules.WATCHED.keys()
    assert all(60 <= rule.seconds <= rules.LONGEST and rule.threshold >= 1 for rule in rules.WATCHED.values())


def test_what_names_an_erased_member_is_blanked(world: World) -> None:
    _rule(world, "member_redeems", 1)
    member_id = ids.new_id()
    _use(world, member_id, NOON)
    (flag,) = _look(world, NOON + timedelta(minutes=1))
    assert flag.evidence
    with transaction():
        fraud.forget(brand_id=world.brand_id, member_ids=[member_id])
    (flag,) = _look(world, NOON + timedelta(minutes=2))
    assert (flag.status, flag.evidence, flag.words, flag.decided_by) == ("cleared", {}, fraud.ERASED, "system")
