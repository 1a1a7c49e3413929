"""A coupon for a friend: held, taken once, taken back, run out; through merges and when somebody is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign, coupon, fresh, redeem
from factories import World, make_world
from invariants import broken
from merging import books, members, merge, split
from sqlalchemy import select, text

from app.core import clock
from app.core.db import session
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.errors import (
    CampaignPaused,
    CouponLocked,
    CouponRedeemed,
    CouponUnknown,
    CouponVoided,
    LimitReached,
    NotTransferable,
    PeriodLimitReached,
    TransferEnded,
    TransferOwn,
    TransferUnknown,
)
from app.coupons.models import CampaignStock, Coupon
from app.flows import erase


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken() == []


@pytest.fixture
def people(world: World) -> list[int]:
    return members(world, 3)


@pytest.fixture
def mine(world: World, people: list[int]) -> Coupon:
    return coupon(world, member_id=people[0], quota=1, stripes=1, transferable=True)


def offer(world: World, member_id: int, coupon_id: int) -> tuple[int, str]:
    with transaction():
        transfer_id = commands.offer_transfer(brand_id=world.brand_id, member_id=member_id, coupon_id=coupon_id)
    return transfer_id, commands.token_of(transfer_id)


def take(world: World, member_id: int, token: str) -> Coupon:
    with transaction():
        coupon_id = commands.take_transfer(brand_id=world.brand_id, member_id=member_id, token=token)
        return session.scalars(select(Coupon).where(Coupon.coupon_id == coupon_id)).one()


def test_a_friend_takes_it_under_the_same_terms(world: World, people: list[int], mine: Coupon) -> None:
    giver, friend, late = people
    transfer_id, token = offer(world, giver, mine.coupon_id)
    assert fresh(world, giver, mine.coupon_id).status == "locked"
    with pytest.raises(SiyuError, match="offered to a friend"):
        redeem(world, mine.code)
    theirs = take(world, friend, token)
    assert (theirs.member_id, theirs.source, theirs.version, theirs.valid_from, theirs.valid_to) == (
        friend, "friend", mine.version, mine.valid_from, mine.valid_to,
    )  # fmt: skip
    assert theirs.code != mine.code
    assert fresh(world, giver, mine.coupon_id).status == "voided"
    with transaction():  # the stock of one gave one
        assert session.scalars(select(CampaignStock.issued)).one() == 1
        assert queries.transfer(world.brand_id, giver, transfer_id).status == "taken"
    assert take(world, friend, token).coupon_id == theirs.coupon_id
    with pytest.raises(TransferEnded):
        take(world, late, token)
    assert redeem(world, theirs.code).coupon_id == theirs.coupon_id
    with pytest.raises(SiyuError):
        redeem(world, mine.code)


def test_only_what_the_campaign_allows_and_what_is_open(world: World, people: list[int]) -> None:
    giver, friend, _ = people
    plain = coupon(world, member_id=giver)
    with pytest.raises(NotTransferable):
        offer(world, giver, plain.coupon_id)
    given = coupon(world, member_id=giver, transferable=True)
    with pytest.raises(CouponUnknown):
        offer(world, friend, given.coupon_id)
    offer(world, giver, given.coupon_id)
    with pytest.raises(CouponLocked):
        offer(world, giver, given.coupon_id)
    used = coupon(world, member_id=giver, transferable=True)
    redeem(world, used.code)
    with pytest.raises(CouponRedeemed):
        offer(world, giver, used.coupon_id)


def test_one_that_is_not_valid_yet_may_be_given(world: World, people: list[int]) -> None:
    giver, friend, _ = people
    later = coupon(world, member_id=giver, transferable=True, wait_days=3)
    _, token = offer(world, giver, later.coupon_id)
    assert take(world, friend, token).valid_from == later.valid_from


def test_taken_back(world: World, people: list[int], mine: Coupon) -> None:
    giver, friend, _ = people
    transfer_id, token = offer(world, giver, mine.coupon_id)
    key = {"brand_id": world.brand_id, "transfer_id": transfer_id}
    with pytest.raises(TransferUnknown), transaction():
        commands.take_back_transfer(**key, member_id=friend)
    with transaction():
        commands.take_back_transfer(**key, member_id=giver)
    with pytest.raises(TransferEnded):
        take(world, friend, token)
    with pytest.raises(TransferEnded), transaction():
        commands.take_back_transfer(**key, member_id=giver)
    assert fresh(world, giver, mine.coupon_id).status == "claimed"
    _, again = offer(world, giver, mine.coupon_id)
    assert again != token and take(world, friend, again).member_id == friend


def test_after_a_day_it_is_the_givers_again(world: World, people: list[int], mine: Coupon) -> None:
    giver, friend, _ = people
    transfer_id, token = offer(world, giver, mine.coupon_id)
    with time_machine.travel(clock.now() + timedelta(hours=24)):
        with pytest.raises(TransferEnded):
            take(world, friend, token)
        with transaction():
            assert queries.transfer(world.brand_id, giver, transfer_id).status == "expired"
            assert commands.release_ended_locks() == 1
        with pytest.raises(TransferEnded), transaction():
            commands.take_back_transfer(brand_id=world.brand_id, member_id=giver, transfer_id=transfer_id)
        assert redeem(world, mine.code).coupon_id == mine.coupon_id


def test_not_to_oneself_and_within_the_friends_limit(world: World, people: list[int]) -> None:
    giver, friend, other = people
    campaign_id = campaign(world, transferable=True)
    given = coupon(world, campaign_id, member_id=giver)
    coupon(world, campaign_id, member_id=friend)
    _, token = offer(world, giver, given.coupon_id)
    with pytest.raises(TransferOwn):
        take(world, giver, token)
    with pytest.raises(LimitReached):
        take(world, friend, token)
    with pytest.raises(TransferUnknown):
        take(world, other, "0" * 32)
    stranger = make_world()
    with pytest.raises(TransferUnknown):
        take(stranger, members(stranger, 1)[0], token)
    assert take(world, other, token).member_id == other


def test_the_friends_limit_of_a_period_counts(world: World, people: list[int]) -> None:
    giver, friend, _ = people
    campaign_id = campaign(world, transferable=True, per_member=5, per_week=1)
    given = coupon(world, campaign_id, member_id=giver)
    coupon(world, campaign_id, member_id=friend)
    _, token = offer(world, giver, given.coupon_id)
    with pytest.raises(PeriodLimitReached):
        take(world, friend, token)


def test_of_a_voided_campaign_nothing_is_taken(world: World, people: list[int], mine: Coupon) -> None:
    giver, friend, _ = people
    _, token = offer(world, giver, mine.coupon_id)
    with transaction():
        commands.set_status(brand_id=world.brand_id, campaign_id=mine.campaign_id, status="voided")
    with pytest.raises(CouponVoided):
        take(world, friend, token)


def test_a_paused_campaign_changes_no_hands_and_an_ended_one_does(
    world: World, people: list[int], mine: Coupon
) -> None:
    giver, friend, _ = people
    _, token = offer(world, giver, mine.coupon_id)
    with transaction():
        commands.set_status(brand_id=world.brand_id, campaign_id=mine.campaign_id, status="paused")
    with pytest.raises(CampaignPaused):
        take(world, friend, token)
    with transaction():
        commands.set_status(brand_id=world.brand_id, campaign_id=mine.campaign_id, status="ended")
    assert take(world, friend, token).member_id == friend


def test_the_link_works_through_merges_and_splits(world: World) -> None:
    winner, giver, friend = members(world, 3)
    first, second = (coupon(world, member_id=giver, transferable=True) for _ in range(2))
    _, one = offer(world, giver, first.coupon_id)
    _, two = offer(world, giver, second.coupon_id)
    before = books(world)
    merge(world, winner, giver)
    with pytest.raises(TransferOwn):
        take(world, winner, one)
    split(world, giver)
    assert books(world) == before
    merge(world, winner, giver)
    assert take(world, friend, one).member_id == friend
    split(world, giver)
    assert fresh(world, giver, first.coupon_id).status == "voided"
    assert take(world, friend, two).member_id == friend


def test_who_was_forgotten_gives_nothing(world: World, people: list[int], mine: Coupon) -> None:
    giver, friend, _ = people
    transfer_id, token = offer(world, giver, mine.coupon_id)
    with transaction():
        erase.erase(brand_id=world.brand_id, member_id=giver, actor="adm_1", reason="本人要求")
    with pytest.raises(TransferEnded):
        take(world, friend, token)
    with transaction():
        assert queries.transfer(world.brand_id, giver, transfer_id).status == "taken_back"


def test_the_tables_show_no_token(world: World, people: list[int], mine: Coupon) -> None:
    _, token = offer(world, people[0], mine.coupon_id)
    with transaction():
        for table in ("coupon_transfer", "coupon_transfer_token", "coupon", "outbox"):
            assert token not in "".join(session.scalars(text(f"SELECT t::text FROM {table} t")))
