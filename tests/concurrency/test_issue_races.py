"""Issue under many hands at once, with real connections; each race has a twin that loses without the guard."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from threading import Barrier
from typing import Any

import psycopg
import pytest
from at_once import at_once
from coupon_factories import campaign, coupon, key
from factories import World, make_world
from invariants import broken
from merging import members, together
from people import make_member
from sqlalchemy import select, text

from app.core import ids
from app.core.db import session
from app.core.transaction import run, transaction
from app.coupons import commands
from app.coupons.events import CodesDue, PushAdvanced
from app.coupons.issue_models import GuideCouponQuota, RedeemCode, SealedCodes
from app.coupons.models import CampaignStock, Coupon
from app.flows import gifts
from app.flows import push as pushes
from app.members.events import Bound
from app.segments import commands as segments

HANDS = 8  # as many as the session's own pool of connections holds
EVERYBODY = {"field": "joined_at", "op": "after", "value": "2000-01-01T00:00:00+08:00"}


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _transacted(work: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: run(work)


def _naive(app: Any, look: str, change: str, expected: Any) -> int:
    """How many of eight hands change something that they all looked at before: what every guard here is for."""
    gate = Barrier(HANDS)

    def hand() -> int:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            found = connection.execute(look).fetchone()
            gate.wait(30)
            return connection.execute(change).rowcount if found == expected else 0

    return sum(at_once(app, [hand] * HANDS))


# ---- redeem codes


def _code(world: World, *, of: int) -> str:
    with transaction():
        batch = commands.order_codes(
            brand_id=world.brand_id,
            campaign_id=of,
            name="吊牌",
            size=1,
            ends_at=None,
            created_by="adm_1",
        )
        commands.make_codes(CodesDue(brand_id=world.brand_id, batch_id=batch.batch_id))
        first = session.scalars(select(SealedCodes.first).where(SealedCodes.batch_id == batch.batch_id)).one()
        return commands.plain_codes(world.brand_id, batch.batch_id, first)[0]


def test_one_code_and_many_members_give_one_coupon(app: Any, world: World) -> None:
    campaign_id = campaign(world, claimable=False)
    code = _code(world, of=campaign_id)
    crowd = members(world, HANDS)
    results = at_once(
        app,
        [
            _transacted(
                lambda one=one: commands.exchange(brand_id=world.brand_id, member_id=one, code=code).coupon_id
            )
            for one in crowd
        ],
    )
    assert Counter(one for one in results if isinstance(one, str)) == {"redeem_code_used": HANDS - 1}
    with transaction():
        assert session.query(Coupon).count() == 1
        assert sum(session.scalars(select(CampaignStock.issued))) == 1
    assert broken() == []


def test_one_member_with_many_hands_gets_the_one_coupon(app: Any, world: World) -> None:
    code = _code(world, of=campaign(world, claimable=False, per_member=9))
    (member_id,) = members(world, 1)
    works = [
        _transacted(lambda: commands.exchange(brand_id=world.brand_id, member_id=member_id, code=code).coupon_id)
    ] * HANDS
    assert len(set(at_once(app, works))) == 1
    assert broken() == []


def test_twin_a_code_that_is_looked_at_and_then_marked_is_used_by_everybody(app: Any, world: World) -> None:
    _code(world, of=campaign(world, claimable=False))
    changed = _naive(
        app,
        "SELECT used_at FROM redeem_code",
        f"UPDATE redeem_code SET used_at = now(), coupon_id = {ids.new_id()}",
        (None,),
    )
    assert changed == HANDS
    with transaction():
        assert session.scalars(select(RedeemCode.used_at)).one() is not None
    assert "coupons.used_codes_and_their_coupons_are_one_to_one" in {one.name for one in broken()}


# ---- transfers


def test_two_friends_at_once_and_one_has_it(app: Any, world: World) -> None:
    giver, *friends = members(world, HANDS)
    mine = coupon(world, member_id=giver, transferable=True)
    with transaction():
        transfer_id = commands.offer_transfer(
            brand_id=world.brand_id, member_id=giver, coupon_id=mine.coupon_id
        )
    token = commands.token_of(transfer_id)
    back = {"brand_id": world.brand_id, "member_id": giver, "transfer_id": transfer_id}
    works: list[Callable[[], Any]] = [
        _transacted(lambda one=one: commands.take_transfer(brand_id=world.brand_id, member_id=one, token=token))
        for one in friends
    ]
    results = at_once(app, [*works, _transacted(lambda: commands.take_back_transfer(**back))])
    assert Counter(one for one in results if isinstance(one, str)) == {"transfer_ended": HANDS - 1}
    with transaction():
        states = Counter(session.scalars(select(Coupon.status)))
    assert states in (Counter(voided=1, claimed=1), Counter(claimed=1))
    assert broken() == []


def test_twin_a_link_that_is_looked_at_and_then_taken_goes_to_everybody(app: Any, world: World) -> None:
    (giver,) = members(world, 1)
    mine = coupon(world, member_id=giver, transferable=True)
    with transaction():
        commands.offer_transfer(brand_id=world.brand_id, member_id=giver, coupon_id=mine.coupon_id)
    changed = _naive(
        app,
        "SELECT status FROM coupon_transfer",
        f"UPDATE coupon_transfer SET status = 'taken', taken_by = {ids.new_id()}, taken_coupon_id = {ids.new_id()}",
        ("open",),
    )
    assert changed == HANDS
    assert "coupons.given_coupons_are_voided_and_taken_ones_are_there" in {one.name for one in broken()}


def test_a_friend_takes_while_the_giver_is_merged(app: Any, world: World) -> None:
    winner, giver, friend = members(world, 3)
    mine = coupon(world, member_id=giver, transferable=True)
    with transaction():
        transfer_id = commands.offer_transfer(
            brand_id=world.brand_id, member_id=giver, coupon_id=mine.coupon_id
        )
    token = commands.token_of(transfer_id)
    results = at_once(
        app,
        [
            _transacted(lambda: commands.take_transfer(brand_id=world.brand_id, member_id=friend, token=token)),
            _transacted(lambda: together(world, winner, giver)),
        ],
    )
    assert isinstance(results[0], int) or results[0] == "busy"
    assert broken() == []


# ---- pushes


def _push(world: World, campaign_id: int) -> PushAdvanced:
    """A push that was begun, by the event that asks for its next chunk."""
    with transaction():
        segment = segments.save_segment(brand_id=world.brand_id, name="所有人", rule=EVERYBODY)
        push = pushes.start(
            brand_id=world.brand_id, campaign_id=campaign_id, segment_id=segment, hold_out_bp=0, created_by="adm_1"
        )
        return PushAdvanced(brand_id=push.brand_id, push_id=push.push_id, campaign_id=push.campaign_id)


def _turn(push: PushAdvanced, chunk: int) -> None:
    pushes.go_on(push, chunk=chunk)


def test_many_workers_at_one_push_and_members_who_claim_meanwhile(app: Any, world: World) -> None:
    with transaction():
        crowd = sorted(make_member(world) for _ in range(40))
    campaign_id = campaign(world, quota=35, stripes=4)
    push = _push(world, campaign_id)
    for _ in range(8):
        works: list[Callable[[], Any]] = [_transacted(lambda: _turn(push, 9))] * 4
        works += [
            lambda one=one: commands.claim(
                brand_id=push.brand_id,
                member_id=one,
                campaign_id=campaign_id,
                key=key(f"miniapp:{one}", value=f"claim-{ids.new_id()}"),
            )
            for one in crowd[::13]
        ]
        at_once(app, works)
        assert broken() == []
    with transaction():
        had = Counter(session.scalars(select(Coupon.member_id)))
        assert max(had.values()) == 1 and sum(had.values()) == 35
        assert sum(session.scalars(select(CampaignStock.issued))) == 35


def test_a_push_while_its_members_are_merged(app: Any, world: World) -> None:
    with transaction():
        crowd = sorted(make_member(world) for _ in range(24))
    push = _push(world, campaign(world, quota=100, per_member=5))
    for first in range(0, 12, 3):
        pairs = [(crowd[first + n], crowd[first + n + 12]) for n in range(3)]
        works: list[Callable[[], Any]] = [_transacted(lambda pair=pair: together(world, *pair)) for pair in pairs]
        at_once(app, [*works, _transacted(lambda: _turn(push, 6)), _transacted(lambda: _turn(push, 6))])
    for _ in range(10):
        run(lambda: _turn(push, 6))
    with transaction():
        stray = session.scalar(
            text("SELECT count(*) FROM coupon c JOIN member m USING (brand_id, member_id) WHERE m.merged_into > 0")
        )
        assert stray == 0
    assert broken() == []


def test_twin_a_cursor_that_is_read_and_then_moved_gives_everybody_several(app: Any, world: World) -> None:
    """What the held row and the natural key are for: each worker trusts the cursor it read."""
    with transaction():
        make_member(world)
    push = _push(world, campaign(world))
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE naive_given (push_id bigint NOT NULL)")
    try:
        given = _naive(
            app, "SELECT cursor FROM coupon_push", f"INSERT INTO naive_given VALUES ({push.push_id})", (0,)
        )
        assert given == HANDS
    finally:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DROP TABLE naive_given")


# ---- guides' quotas


def test_a_guide_with_many_hands_gives_what_the_day_allows(app: Any, world: World) -> None:
    campaign_id = campaign(world, claimable=False, per_member=2)
    with transaction():
        commands.limit_guides(brand_id=world.brand_id, campaign_id=campaign_id, per_day=5, changed_by="adm_1")
    crowd = members(world, 2 * HANDS)
    results: list[Any] = []
    for batch in (crowd[:HANDS], crowd[HANDS:]):
        results += at_once(
            app,
            [
                _transacted(
                    lambda one=one: commands.give_by_guide(
                        brand_id=world.brand_id,
                        member_id=one,
                        campaign_id=campaign_id,
                        guide_id=world.guide.id,
                        source_ref=f"press:{one}",
                    )
                )
                for one in batch
            ],
        )
    assert Counter(one for one in results if isinstance(one, str)) == {"guide_quota_reached": 2 * HANDS - 5}
    with transaction():
        assert session.scalars(select(GuideCouponQuota.used)).one() == 5
        assert session.query(Coupon).count() == 5
    assert broken() == []


def test_twin_a_quota_that_is_counted_and_then_used_is_passed(app: Any, world: World) -> None:
    with transaction():
        session.add(
            GuideCouponQuota(
                brand_id=world.brand_id, guide_id=world.guide.id, campaign_id=1, day=_today(), used=4
            )
        )
    changed = _naive(
        app, "SELECT used FROM guide_coupon_quota", "UPDATE guide_coupon_quota SET used = used + 1", (4,)
    )
    assert changed == HANDS  # a limit of five is passed by seven
    assert "coupons.guides_gave_what_was_counted" in {one.name for one in broken()}


def _today() -> Any:
    return session.scalar(text("SELECT current_date"))


# ---- gifts


def test_a_welcome_heard_of_by_many_workers_while_members_merge(app: Any, world: World, run_work: Any) -> None:
    campaign_id = campaign(world, claimable=False, per_member=9)
    with transaction():
        commands.add_gift_rule(
            brand_id=world.brand_id, kind="welcome", campaign_id=campaign_id, created_by="adm_1"
        )
    winner, loser = members(world, 2)
    works: list[Callable[[], Any]] = [
        _transacted(lambda one=one: gifts.on_bound(Bound(brand_id=world.brand_id, member_id=one)))
        for one in (winner, loser) * 3
    ]
    at_once(app, [*works, _transacted(lambda: together(world, winner, loser))])
    run_work()
    with transaction():
        had = Counter(session.scalars(select(Coupon.member_id)))
    assert set(had) == {winner} and had[winner] <= 2  # one each, where both were heard of before they became one
    assert broken() == []


def test_twin_a_gift_that_is_looked_for_and_then_given_is_given_again(app: Any, world: World) -> None:
    (member_id,) = members(world, 1)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE naive_gift (member_id bigint NOT NULL)")
    try:
        given = _naive(
            app, "SELECT count(*) FROM naive_gift", f"INSERT INTO naive_gift VALUES ({member_id})", (0,)
        )
        assert given == HANDS
    finally:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DROP TABLE naive_gift")
