"""Lift of a campaign: its pushes' members pooled, each once and from their own push, as a whole and store by store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from coupon_factories import campaign
from factories import World, make_world
from merging import merge
from people import make_member
from sqlalchemy import event

from app.core import ids
from app.core.db import db, session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.issue_models import CouponHoldOut, CouponPush
from app.coupons.queries.issues import given_by_push, held_out_of_push
from app.dashboards.queries.coupon_lift import CampaignLift, campaign_lift, lift
from app.dashboards.reach import Reach
from app.org.models import Store
from app.sales.models import SalesOrder

PUSHED = datetime(2026, 3, 10, tzinfo=UTC)
LATER = PUSHED + timedelta(days=20)


class Shop:
    """A campaign, its pushes, and who is on which side of them."""

    def __init__(self) -> None:
        self.world: World = make_world()
        self.campaign_id = campaign(self.world, per_member=9)

    def push(self, at: datetime = PUSHED, *, hold_out_bp: int = 1000, campaign_id: int | None = None) -> int:
        with transaction():
            push = CouponPush(
                brand_id=self.world.brand_id,
                campaign_id=campaign_id or self.campaign_id,
                segment_id=1,
                as_of=at,
                hold_out_bp=hold_out_bp,
                created_by="adm_1",
                created_at=at,
            )
            session.add(push)
            session.flush()
            return push.push_id

    def members(self, count: int, store: Store | None = None) -> list[int]:
        with transaction():
            return [make_member(self.world, store=store) for _ in range(count)]

    def given(self, push_id: int, *members: int, campaign_id: int | None = None) -> None:
        with transaction():
            for member_id in members:
                commands.issue(
                    brand_id=self.world.brand_id,
                    member_id=member_id,
                    campaign_id=campaign_id or self.campaign_id,
                    source="push",
                    source_ref=f"push:{push_id}",
                )

    def kept_out(self, push_id: int, *members: int, campaign_id: int | None = None) -> None:
        with transaction():
            session.add_all(
                CouponHoldOut(
                    brand_id=self.world.brand_id,
                    member_id=member_id,
                    push_id=push_id,
                    campaign_id=campaign_id or self.campaign_id,
                    at=PUSHED,
                    correlation_id="cor_test",
                )
                for member_id in members
            )

    def bought(self, fen: int, at: datetime, *members: int, refunded: int = 0) -> None:
        with transaction():
            for member_id in members:
                order_id = ids.new_id()
                session.add(
                    SalesOrder(
                        brand_id=self.world.brand_id, member_id=member_id, order_id=order_id, source="till",
                        order_no=str(order_id), store_id=self.world.store.id, channel="till", walk_in=False,
                        total_fen=fen, discount_fen=0, paid_fen=fen, refunded_fen=refunded,
                        status="refunded" if refunded == fen else "paid", paid_at=at, correlation_id="cor_test",
                        created_at=at,
                    )
                )  # fmt: skip

    def lift(self, *stores: Store, days: int = 30) -> CampaignLift:
        reach = Reach(self.world.brand_id, frozenset(one.id for one in stores) if stores else None)
        with transaction():
            return campaign_lift(reach, self.campaign_id, days)


@pytest.fixture
def shop(app: Any) -> Shop:
    return Shop()


def test_each_member_counts_once_from_their_own_push(shop: Shop) -> None:
    first, second, open_to_all = shop.push(), shop.push(LATER), shop.push(LATER, hold_out_bp=0)
    early, again, late, everybody = shop.members(4)
    out, twice_out = shop.members(2)
    shop.given(first, early, again)
    shop.given(second, again, late)
    shop.given(open_to_all, everybody)  # nobody to compare them with
    shop.kept_out(first, out, twice_out)
    shop.kept_out(second, twice_out)
    shop.bought(10_000, PUSHED + timedelta(days=1), early, again, late, out)  # `late` before their push
    shop.bought(5_000, LATER + timedelta(days=1), again, everybody)
    shop.bought(7_000, PUSHED + timedelta(days=30), early, twice_out)  # over, for those of the first
    shop.bought(3_000, LATER + timedelta(days=29), late, refunded=1_000)
    shop.bought(9_000, LATER + timedelta(days=29), late, refunded=9_000)
    found = shop.lift()
    assert (found.pushes, found.uneven) == (2, False)
    got, held_out = found.whole.got, found.whole.held_out
    assert (got.members, got.buyers, got.fen, got.squares) == (3, 3, 27_000, 10_000**2 + 15_000**2 + 2_000**2)
    assert (held_out.members, held_out.buyers, held_out.fen) == (2, 1, 10_000)
    assert (found.whole.share, found.whole.fen) == (pytest.approx(0.5), pytest.approx(9_000 - 5_000))
    assert shop.lift(days=1).whole.got.fen == 0


def test_one_push_alone_is_told_as_it_is_told_of_the_push(shop: Shop) -> None:
    push_id, members = shop.push(), shop.members(8)
    shop.given(push_id, *members[:5])
    shop.kept_out(push_id, *members[5:])
    shop.bought(4_000, PUSHED + timedelta(days=2), *members[:3], *members[6:])
    brand_id = shop.world.brand_id
    with transaction():
        alone = lift(
            brand_id,
            got=given_by_push(brand_id, push_id),
            held_out=held_out_of_push(brand_id, push_id),
            since=PUSHED,
            days=30,
        )
    assert shop.lift().whole == alone


def test_who_is_on_both_sides_or_merged_is_on_neither(shop: Shop) -> None:
    first, second = shop.push(), shop.push(LATER)
    got, both, merged, loser, lone = shop.members(5)
    out, other = shop.members(2)
    shop.given(first, got, both, merged)
    shop.kept_out(first, out)
    shop.kept_out(second, both, other)
    shop.given(second, lone)
    merge(shop.world, merged, loser)
    shop.bought(1_000, LATER + timedelta(days=1), both, merged)
    found = shop.lift()
    assert (found.whole.got.members, found.whole.held_out.members) == (2, 2)
    assert found.whole.got.buyers == found.whole.held_out.buyers == 0


def test_another_campaign_is_no_part_of_it(shop: Shop) -> None:
    other = campaign(shop.world)
    push_id, (got, out) = shop.push(campaign_id=other), shop.members(2)
    shop.given(push_id, got, campaign_id=other)
    shop.kept_out(push_id, out, campaign_id=other)
    found = shop.lift()
    assert (found.pushes, found.whole.got.members, found.whole.held_out.members, found.stores) == (0, 0, 0, [])
    assert (found.whole.share, found.whole.fen, found.whole.share_interval) == (None, None, None)


def test_pushes_of_different_shares_are_told_to_be_uneven(shop: Shop) -> None:
    for share in (0, 1000, 1000):
        shop.push(hold_out_bp=share)
    assert not shop.lift().uneven
    shop.push(hold_out_bp=5000)
    assert (shop.lift().uneven, shop.lift().pushes) == (True, 3)


def test_rows_are_of_home_stores_and_add_up(shop: Shop) -> None:
    ours, dealers = shop.world.stores
    push_id = shop.push()
    large_got, large_out = shop.members(31, ours), shop.members(30, ours)
    small_got, small_out, (nowhere,) = shop.members(30, dealers), shop.members(29, dealers), shop.members(1)
    shop.given(push_id, *large_got, *small_got, nowhere)
    shop.kept_out(push_id, *large_out, *small_out)
    shop.bought(10_000, PUSHED + timedelta(days=3), *large_got[:20], *large_out[:10], *small_got[:5], nowhere)
    found = shop.lift()
    assert [key for key, _ in found.stores] == [ours.id, dealers.id, None]
    large, small, none = (one for _, one in found.stores)
    assert (large.got.members, large.got.buyers, large.held_out.buyers) == (31, 20, 10)
    assert large.share_interval and large.share and large.share_interval.low < large.share < large.share_interval.high
    assert large.fen_interval and large.fen and large.fen_interval.low < large.fen < large.fen_interval.high
    assert (small.share, small.share_interval, small.fen_interval) == (pytest.approx(5 / 30), None, None)
    assert (none.got.buyers, none.share, none.fen) == (1, None, None)
    assert sum((one.got for _, one in found.stores[1:]), large.got) == found.whole.got
    assert (found.whole.got.members, found.whole.held_out.members) == (62, 59)
    assert found.whole.share_interval and found.whole.fen_interval


def test_a_reader_sees_members_of_their_stores_only(shop: Shop) -> None:
    ours, dealers = shop.world.stores
    push_id = shop.push()
    (mine, out), (theirs, away), (nowhere,) = shop.members(2, dealers), shop.members(2, ours), shop.members(1)
    shop.given(push_id, mine, theirs, nowhere)
    shop.kept_out(push_id, out, away)
    shop.bought(10_000, PUSHED + timedelta(days=3), theirs, away, nowhere)
    found = shop.lift(dealers)
    assert [key for key, _ in found.stores] == [dealers.id]
    assert (found.whole.got.members, found.whole.held_out.members, found.whole.got.buyers) == (1, 1, 0)
    ((_, row),) = found.stores
    assert (found.whole.got, found.whole.held_out) == (row.got, row.held_out)


def test_it_is_two_statements_however_many_pushes(shop: Shop) -> None:
    for push_id, member_id in zip([shop.push() for _ in range(4)], shop.members(4, shop.world.store), strict=True):
        shop.given(push_id, member_id)
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert shop.lift().whole.got.members == 4
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert len([one for one in seen if one.lstrip().startswith(("SELECT", "WITH"))]) == 2, seen
