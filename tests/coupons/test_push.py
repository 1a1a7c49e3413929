"""A campaign pushed to a segment: who gets one and who does not and why, killed and resumed, stopped and sold out."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon, terms
from factories import World, make_world
from invariants import broken
from merging import merge, split
from people import make_member
from sqlalchemy import func, select, update

from app.core import clock
from app.core.db import session
from app.core.outbox import Outbox
from app.core.slots import Slot
from app.core.transaction import transaction
from app.coupons import codes, commands, queries
from app.coupons.errors import PushEnded, PushUnknown, StoreNeeded
from app.coupons.events import PushAdvanced
from app.coupons.issue_models import CouponHoldOut, CouponPush
from app.coupons.models import CampaignDay, CampaignStock, Coupon
from app.coupons.queries.issues import given_by_push, held_out_of_push
from app.flows import erase
from app.flows import push as pushes
from app.members.models import Member
from app.privacy.models import OptOut
from app.segments import commands as segments

EVERYBODY = {"field": "joined_at", "op": "after", "value": "2000-01-01T00:00:00+08:00"}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken("coupons.") == []


@pytest.fixture
def crowd(world: World) -> list[int]:
    with transaction():
        return sorted(make_member(world) for _ in range(23))


def start(world: World, campaign_id: int, *, hold_out_bp: int = 0) -> CouponPush:
    with transaction():
        segment = segments.save_segment(brand_id=world.brand_id, name="所有人", rule=EVERYBODY)
        return pushes.start(
            brand_id=world.brand_id,
            campaign_id=campaign_id,
            segment_id=segment,
            hold_out_bp=hold_out_bp,
            created_by="adm_1",
        )


def turn(push: CouponPush, chunk: int = 5) -> None:
    with transaction():
        pushes.go_on(
            PushAdvanced(brand_id=push.brand_id, push_id=push.push_id, campaign_id=push.campaign_id), chunk=chunk
        )


def now(push: CouponPush) -> CouponPush:
    with transaction():
        return queries.push(push.brand_id, push.push_id).push


def carry_out(push: CouponPush, chunk: int = 5) -> CouponPush:
    for _ in range(100):
        if now(push).status != "running":
            break
        turn(push, chunk)
    return now(push)


def owners(campaign_id: int) -> Counter[int]:
    with transaction():
        return Counter(session.scalars(select(Coupon.member_id).where(Coupon.campaign_id == campaign_id)))


def test_everybody_of_the_segment_gets_one(world: World, crowd: list[int], run_work: Any) -> None:
    campaign_id = campaign(world, quota=100)
    push = start(world, campaign_id)
    run_work()
    done = now(push)
    assert (done.status, done.audience, done.issued) == ("done", 23, 23)
    assert owners(campaign_id) == Counter(crowd)
    with transaction():
        one = session.scalars(select(Coupon).where(Coupon.campaign_id == campaign_id)).first()
        assert one is not None
        assert (one.source, one.source_ref, one.seq, one.correlation_id) == (
            "push", f"push:{push.push_id}", 1, done.correlation_id,
        )  # fmt: skip
        assert codes.read(one.code, clock.now()).code == one.code
        assert sum(session.scalars(select(CampaignStock.issued))) == 23
        told = session.scalars(select(Outbox.payload).where(Outbox.name == PushAdvanced.name)).all()
        assert sum(one["issued"] for one in told) == 23
        assert session.scalar(select(Outbox.id).where(Outbox.name == "coupons.issued")) is None


def test_who_gets_none_and_why(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100)
    refuses, has_one, frozen = crowd[:3]
    coupon(world, campaign_id, member_id=has_one)
    with transaction():
        session.add(OptOut(brand_id=world.brand_id, member_id=refuses, purpose="marketing", channel="miniapp"))
    push = start(world, campaign_id, hold_out_bp=5000)
    turn(push, chunk=1)  # the snapshot is taken, and the first is dealt with
    with transaction():
        session.get_one(Member, (world.brand_id, frozen)).status = "frozen"
    done = carry_out(push)
    with transaction():
        held_out = set(session.scalars(select(CouponHoldOut.member_id)))
    assert (done.opted_out, done.limited, done.gone, done.held_out) == (1, 1, 1, len(held_out))
    assert done.issued == 20 - len(held_out) and 0 < len(held_out) < 20
    assert owners(campaign_id) == Counter(set(crowd) - held_out - {refuses, frozen})


def test_the_same_ones_are_held_out_of_the_next_push(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100, per_member=5)
    kept_out = []
    for _ in range(2):
        push = carry_out(start(world, campaign_id, hold_out_bp=4000))
        with transaction():
            rows = session.scalars(select(CouponHoldOut.member_id).where(CouponHoldOut.push_id == push.push_id))
            kept_out.append(set(rows))
    assert kept_out[0] == kept_out[1] != set()


def test_a_preview_says_what_the_push_then_does(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=9)
    coupon(world, campaign_id, member_id=crowd[0])
    with transaction():
        session.add(OptOut(brand_id=world.brand_id, member_id=crowd[1], purpose="marketing", channel="miniapp"))
        segment = segments.save_segment(brand_id=world.brand_id, name="所有人", rule=EVERYBODY)
        seen = pushes.preview(
            brand_id=world.brand_id, campaign_id=campaign_id, segment_id=segment, hold_out_bp=2000
        )
    assert (seen.audience, seen.limited, seen.opted_out, seen.left) == (23, 1, 1, 8)
    assert seen.chosen + seen.held_out == 21 and seen.unsold == seen.chosen - 8
    done = carry_out(start(world, campaign_id, hold_out_bp=2000))
    assert (done.status, done.stop_reason, done.issued) == ("stopped", "sold_out", seen.left)


def test_sold_out_stops_at_a_member_and_goes_on_from_there(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=11, stripes=3)
    push = start(world, campaign_id)
    stopped = carry_out(push)
    assert (stopped.status, stopped.stop_reason, stopped.issued) == ("stopped", "sold_out", 11)
    assert stopped.cursor == crowd[10]
    with transaction():
        stock = session.scalars(select(CampaignStock).where(CampaignStock.campaign_id == campaign_id)).first()
        assert stock is not None
        stock.quota += 50
        commands.resume_push(brand_id=world.brand_id, push_id=push.push_id)
    assert carry_out(push).issued == 23
    assert owners(campaign_id) == Counter(crowd)


def test_killed_in_a_chunk_and_run_again(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100)
    push = start(world, campaign_id)
    turn(push)
    with pytest.raises(RuntimeError), transaction():
        pushes.go_on(
            PushAdvanced(brand_id=world.brand_id, push_id=push.push_id, campaign_id=campaign_id), chunk=5
        )
        raise RuntimeError("killed")
    assert now(push).issued == 5
    assert carry_out(push).issued == 23
    turn(push)  # a job that comes late
    assert owners(campaign_id) == Counter(crowd)


def test_stopped_by_hand_and_resumed(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100)
    push = start(world, campaign_id)
    turn(push)
    key = {"brand_id": world.brand_id, "push_id": push.push_id}
    with transaction():
        commands.stop_push(**key)
    with pytest.raises(PushEnded), transaction():
        commands.stop_push(**key)
    turn(push)
    assert (now(push).issued, now(push).stop_reason) == (5, "operator")
    with transaction():
        commands.resume_push(**key)
    assert carry_out(push).status == "done"
    with pytest.raises(PushEnded), transaction():
        commands.resume_push(**key)
    with pytest.raises(PushUnknown), transaction():
        commands.stop_push(brand_id=world.brand_id, push_id=1)


@pytest.mark.parametrize(("status", "reason"), [("paused", "campaign_paused"), ("ended", "campaign_closed")])
def test_a_campaign_that_gives_out_nothing_stops_its_push(
    world: World, crowd: list[int], status: str, reason: str
) -> None:
    campaign_id = campaign(world, quota=100)
    push = start(world, campaign_id)
    turn(push)
    with transaction():
        commands.set_status(brand_id=world.brand_id, campaign_id=campaign_id, status=status)
    turn(push)
    assert (now(push).status, now(push).stop_reason, now(push).issued) == ("stopped", reason, 5)


def test_merged_in_the_middle_nobody_has_two_of_one_push(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100, per_member=5)
    push = start(world, campaign_id)
    turn(push)
    merge(world, crowd[0], crowd[20])  # one who has a coupon, and one who is still to come
    merge(world, crowd[1], crowd[2])  # two who have one each
    done = carry_out(push)
    assert (done.issued, done.gone) == (22, 1)
    assert owners(campaign_id)[crowd[1]] == 2 and owners(campaign_id)[crowd[0]] == 1
    split(world, crowd[2])
    assert owners(campaign_id)[crowd[2]] == 1


def resumed() -> bool:
    """Let the schedule look after pushes that wait; whether one goes on."""
    with transaction():
        pushes.resume_waiting(Slot(task="coupons.pushes", at=clock.now(), correlation_id="cor_test"))
        return session.scalar(select(func.count()).where(CouponPush.status == "running")) == 1


def _sides(push: CouponPush) -> tuple[set[int], set[int]]:
    """Who got a push's coupon and who was held out, as they are compared."""
    with transaction():
        return (
            set(session.scalars(given_by_push(push.brand_id, push.push_id))),
            set(session.scalars(held_out_of_push(push.brand_id, push.push_id))),
        )


@pytest.mark.parametrize("winner", ["held_out", "got"])
def test_who_is_both_given_a_coupon_and_held_out_is_on_neither_side(
    world: World, crowd: list[int], winner: str
) -> None:
    push = carry_out(start(world, campaign(world, quota=100), hold_out_bp=5000))
    got, held_out = _sides(push)
    one, other = next((one, other) for one in held_out for other in got if (one < other) == (winner == "held_out"))
    merge(world, one, other)
    assert _sides(push) == (got - {other}, held_out - {one})
    split(world, max(one, other))
    assert _sides(push) == (got, held_out)


def test_who_is_forgotten_is_on_neither_side(world: World, crowd: list[int]) -> None:
    push = carry_out(start(world, campaign(world, quota=100), hold_out_bp=5000))
    got, held_out = _sides(push)
    gone = {min(got), min(held_out)}
    for member_id in gone:
        with transaction():
            erase.erase(brand_id=world.brand_id, actor="adm_1", reason="本人要求", member_id=member_id)
    assert _sides(push) == (got - gone, held_out - gone)


def test_a_second_push_compares_those_who_are_new_on_both_sides(world: World, crowd: list[int]) -> None:
    """Those of the first who got one have all they may have; those who were held out would stand alone."""
    campaign_id = campaign(world, quota=100)
    first = _sides(carry_out(start(world, campaign_id, hold_out_bp=4000)))
    with transaction():
        new = {make_member(world) for _ in range(12)}
    push = carry_out(start(world, campaign_id, hold_out_bp=4000))
    got, held_out = _sides(push)
    assert got | held_out == new and got and push.limited == len(first[0])


def test_a_days_stock_ends_the_push_for_the_day(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100)
    key = {"brand_id": world.brand_id, "campaign_id": campaign_id}
    with transaction():
        commands.set_day_quota(**key, day_quota=7, actor="adm_1")
    push = carry_out(start(world, campaign_id))
    assert (push.status, push.stop_reason, push.issued) == ("stopped", "sold_out_today", 7)
    assert not resumed()  # today's is still gone
    stopped = carry_out(start(world, campaign_id))
    assert stopped.stop_reason == "sold_out_today"
    with transaction():
        commands.stop_push(brand_id=world.brand_id, push_id=stopped.push_id)  # and does not go on tomorrow
    with time_machine.travel(clock.now() + timedelta(days=1)):
        assert resumed()
        assert carry_out(push).issued == 14
        assert now(push).stop_reason == "sold_out_today"
    with transaction():
        session.execute(update(CampaignStock).values(issued=CampaignStock.quota))  # others took what was left
    assert not resumed() and now(push).stop_reason == "sold_out"
    with transaction():
        session.execute(update(CampaignStock).values(issued=0))
        session.execute(update(CampaignStock).where(CampaignStock.stripe == 0).values(issued=14))
    with transaction():
        assert sorted(session.scalars(select(CampaignDay.issued))) == [7, 7]
        assert session.scalar(select(func.sum(CampaignStock.issued))) == 14


def test_limits_of_a_period_count(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100, per_member=5, per_day=1)
    coupon(world, campaign_id, member_id=crowd[3])
    first = carry_out(start(world, campaign_id))
    assert (first.issued, first.limited) == (22, 1)
    assert carry_out(start(world, campaign_id)).limited == 23
    with time_machine.travel(clock.now() + timedelta(days=1)):
        assert carry_out(start(world, campaign_id)).issued == 23


def test_stock_that_is_with_the_stores_is_not_pushed(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100)
    push = start(world, campaign_id)
    turn(push)
    with transaction():
        quotas = {world.store.id: 10}
        commands.allocate(brand_id=world.brand_id, campaign_id=campaign_id, quotas=quotas, actor="adm_1")
    turn(push)
    assert (now(push).stop_reason, now(push).issued) == ("store_needed", 5)
    with pytest.raises(StoreNeeded):
        start(world, campaign_id)


def test_new_terms_count_from_the_next_chunk(world: World, crowd: list[int]) -> None:
    campaign_id = campaign(world, quota=100)
    push = start(world, campaign_id)
    turn(push)
    with transaction():
        commands.revise(brand_id=world.brand_id, campaign_id=campaign_id, terms=terms(amount_fen=900))
    carry_out(push)
    with transaction():
        versions = Counter(session.scalars(select(Coupon.version).where(Coupon.campaign_id == campaign_id)))
    assert versions == {1: 5, 2: 18}


def test_many_codes_are_made_as_one_is() -> None:
    made = codes.new_codes(500)
    assert len(set(made)) == 500
    for code in made:
        assert codes.typed(code.lower()) == code == codes.typed(codes.printed(code))
        assert codes._with_check(code[:-1]) == code
        swapped = code[1] + code[0] + code[2:]
        assert codes.typed(swapped) in (None, code)
        assert swapped == code or codes.typed(swapped) is None
