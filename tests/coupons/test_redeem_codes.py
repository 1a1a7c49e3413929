"""Printed codes: made in bulk, given out once, exchanged by members; and nothing to be learned from the tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from coupon_factories import campaign
from factories import World, make_world
from invariants import broken
from merging import members, merge
from sqlalchemy import select, text, update

from app.core import clock
from app.core.db import session
from app.core.errors import Invalid
from app.core.transaction import transaction
from app.coupons import codes, commands, queries
from app.coupons.commands import redeem_codes
from app.coupons.errors import (
    BatchNotReady,
    BatchUnknown,
    CampaignUnknown,
    CodesExported,
    CodesExporting,
    RedeemCodeEnded,
    RedeemCodeUnknown,
    RedeemCodeUsed,
    SoldOut,
)
from app.coupons.events import CodesDue
from app.coupons.issue_models import RedeemBatch, RedeemCode, SealedCodes
from app.coupons.models import CampaignStock, Coupon


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture(autouse=True)
def nothing_broken(app: Any) -> Any:
    yield
    assert broken("coupons.") == []


def order(world: World, size: int = 7, campaign_id: int | None = None, **values: Any) -> RedeemBatch:
    campaign_id = campaign_id or campaign(world, claimable=False, per_member=3)
    with transaction():
        return commands.order_codes(
            brand_id=world.brand_id,
            campaign_id=campaign_id,
            name="吊牌",
            size=size,
            ends_at=values.get("ends_at"),
            created_by="adm_1",
        )


def turn(batch: RedeemBatch) -> None:
    with transaction():
        commands.make_codes(CodesDue(brand_id=batch.brand_id, batch_id=batch.batch_id))


def plain(batch: RedeemBatch) -> list[str]:
    with transaction():
        firsts = session.scalars(
            select(SealedCodes.first).where(SealedCodes.batch_id == batch.batch_id).order_by(SealedCodes.first)
        ).all()
        return [code for first in firsts for code in commands.plain_codes(batch.brand_id, batch.batch_id, first)]


def exchange(world: World, member_id: int, code: str) -> Coupon:
    with transaction():
        return commands.exchange(brand_id=world.brand_id, member_id=member_id, code=code)


def test_as_many_as_were_ordered_killed_or_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redeem_codes, "CHUNK", 3)
    batch = order(world)
    turn(batch)
    with pytest.raises(RuntimeError), transaction():
        commands.make_codes(CodesDue(brand_id=world.brand_id, batch_id=batch.batch_id))
        raise RuntimeError("killed")
    for _ in range(4):
        turn(batch)
    made = plain(batch)
    with transaction():
        assert queries.batch(world.brand_id, batch.batch_id).batch.status == "ready"
        rows = session.execute(select(RedeemCode.number, RedeemCode.mac).order_by(RedeemCode.number)).all()
    assert [row.number for row in rows] == list(range(1, 8))
    assert [redeem_codes.mac_of(world.brand_id, code) for code in made] == [row.mac for row in rows]
    assert len(set(made)) == 7 and all(codes.typed(code) for code in made)


def test_workers_make_them(world: World, run_work: Any) -> None:
    batch = order(world, 20)
    run_work()
    assert len(plain(batch)) == 20


def test_the_tables_show_no_code(world: World) -> None:
    batch = order(world)
    turn(batch)
    made = plain(batch)
    with transaction():
        for table in ("redeem_code", "redeem_batch", "redeem_code_sealed", "outbox"):
            rows = "".join(session.scalars(text(f"SELECT t::text FROM {table} t")))
            assert not any(code in rows or codes.printed(code) in rows for code in made)


def test_a_code_is_good_for_one_coupon(world: World) -> None:
    batch = order(world)
    turn(batch)
    first, second, *_ = plain(batch)
    mine, theirs = members(world, 2)
    coupon = exchange(world, mine, codes.printed(first).lower())
    assert (coupon.source, coupon.status, coupon.member_id) == ("redeem_code", "claimed", mine)
    assert exchange(world, mine, first).coupon_id == coupon.coupon_id
    with pytest.raises(RedeemCodeUsed):
        exchange(world, theirs, first)
    assert exchange(world, mine, second).coupon_id != coupon.coupon_id
    merge(world, theirs, mine)  # the older person wins
    with transaction():
        living = session.scalars(select(Coupon.member_id).where(Coupon.coupon_id == coupon.coupon_id)).one()
    assert exchange(world, living, first).coupon_id == coupon.coupon_id
    with transaction():
        assert queries.codes_used(world.brand_id, [batch.batch_id]) == {batch.batch_id: 2}


def test_what_is_no_code(world: World) -> None:
    turn(batch := order(world))
    code = plain(batch)[0]
    (member_id,) = members(world, 1)
    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    for text_ in ("", "nonsense", wrong, codes.new_code(), "2" * 13):
        with pytest.raises(RedeemCodeUnknown):
            exchange(world, member_id, text_)
    other = make_world()
    with pytest.raises(RedeemCodeUnknown):
        exchange(other, members(other, 1)[0], code)
    with pytest.raises(CampaignUnknown):
        order(world, campaign_id=7)
    for size in (0, redeem_codes.MOST + 1):
        with pytest.raises(Invalid):
            order(world, size)


def test_a_refused_code_stays_good(world: World) -> None:
    campaign_id = campaign(world, quota=1, per_member=3)
    turn(batch := order(world, campaign_id=campaign_id))
    first, second, third, *_ = plain(batch)
    (member_id,) = members(world, 1)
    exchange(world, member_id, first)
    with pytest.raises(SoldOut):
        exchange(world, member_id, second)
    with transaction():
        session.execute(update(CampaignStock).where(CampaignStock.campaign_id == campaign_id).values(quota=5))
    exchange(world, member_id, second)
    with transaction():
        commands.void_codes(brand_id=world.brand_id, batch_id=batch.batch_id)
    with pytest.raises(RedeemCodeEnded):
        exchange(world, member_id, third)
    assert exchange(world, member_id, first).source == "redeem_code"  # what was exchanged stays


def test_codes_end(world: World) -> None:
    turn(batch := order(world, ends_at=clock.now() + timedelta(days=1)))
    code = plain(batch)[0]
    (member_id,) = members(world, 1)
    with time_machine.travel(clock.now() + timedelta(days=1)), pytest.raises(RedeemCodeEnded):
        exchange(world, member_id, code)
    exchange(world, member_id, code)


def test_the_plain_codes_are_given_out_once(world: World) -> None:
    batch = order(world)
    key = {"brand_id": world.brand_id, "batch_id": batch.batch_id}
    with pytest.raises(BatchNotReady), transaction():
        commands.begin_export(**key)
    turn(batch)
    with transaction():
        commands.begin_export(**key)
    with pytest.raises(CodesExporting), transaction():  # one is running
        commands.begin_export(**key)
    with time_machine.travel(clock.now() + redeem_codes.EXPORT_LEASE):  # it broke off
        with transaction():
            assert commands.begin_export(**key).exports == 2
        with transaction():
            commands.end_export(**key)
        with pytest.raises(CodesExported), transaction():
            commands.begin_export(**key)
    assert plain(batch) == []
    with pytest.raises(BatchUnknown), transaction():
        commands.begin_export(brand_id=world.brand_id, batch_id=7)


def test_voiding_forgets_the_plain_codes(world: World) -> None:
    turn(batch := order(world))
    key = {"brand_id": world.brand_id, "batch_id": batch.batch_id}
    with transaction():
        commands.void_codes(**key)
    assert plain(batch) == []
    with pytest.raises(BatchNotReady), transaction():
        commands.void_codes(**key)
    with pytest.raises(BatchNotReady), transaction():
        commands.begin_export(**key)
    with pytest.raises(BatchUnknown), transaction():
        commands.void_codes(brand_id=world.brand_id, batch_id=7)
