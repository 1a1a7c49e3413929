"""Months of coupons for tests: redemptions, refunds and returns at chosen moments."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import time_machine
from coupon_factories import coupon, key, till
from factories import World

from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import Redemption
from app.coupons.rules import Line

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Used:
    """One redemption: its store and who pays it, in fen."""

    redemption_id: int
    store_id: int
    discount_fen: int
    hq_fen: int
    dealer_fen: int
    supplier_fen: int


def use(world: World, at: datetime, *, store: int = 0, fen: int = 500, **terms: Any) -> Used:
    """Claim and redeem a coupon of `fen` in a store at a moment."""
    with time_machine.travel(at, tick=False):
        mine = coupon(world, amount_fen=fen, valid_days=400, **terms)
        done = commands.redeem(
            till=till(world, store),
            key=key(value=f"month-{next(_numbers):08d}"),
            code=mine.code,
            order_no=f"M{next(_numbers)}",
            lines=_lines(fen),
        )
    return _used(done.redemption_id)


def use_together(world: World, at: datetime, *, store: int = 0, fen: int = 500, **terms: Any) -> list[Used]:
    """Claim two coupons of `fen` and redeem them for one order in a store."""
    with time_machine.travel(at, tick=False):
        mine = [coupon(world, amount_fen=fen, valid_days=400, stack_group=group, **terms) for group in "ab"]
        with transaction():
            _, done = commands.redeem_order(
                till=till(world, store),
                codes=[one.code for one in mine],
                order_no=f"M{next(_numbers)}",
                lines=_lines(fen),
            )
    return [_used(one.redemption_id) for one in done]


def use_offline(
    world: World, at: datetime, told_at: datetime, *, store: int = 0, fen: int = 500, **terms: Any
) -> Used:
    """Claim a coupon of `fen` that a till takes at a moment, while it is offline, and tells of later."""
    number = next(_numbers)
    with time_machine.travel(at, tick=False):
        mine = coupon(world, amount_fen=fen, valid_days=400, **terms)
    with time_machine.travel(told_at, tick=False), transaction():
        receipt = commands.Receipt(f"R{number}", mine.code, f"M{number}", _lines(fen), at, b"1")
        done = commands.take_receipt(till=till(world, store), receipt=receipt).row
    assert done.redemption_id is not None
    return _used(done.redemption_id)


def conflict(world: World, told_at: datetime, *, store: int = 0, fen: int = 500) -> str:
    """A till tells at a moment of a coupon that it took offline, which the first store had redeemed an hour before;
    what became of the receipt.
    """
    number = next(_numbers)
    with time_machine.travel(told_at - timedelta(hours=1), tick=False):
        mine = coupon(world, amount_fen=fen, valid_days=400)
        first = key(value=f"month-{number:08d}")
        commands.redeem(till=till(world), key=first, code=mine.code, order_no=f"M{number}", lines=_lines(fen))
    with time_machine.travel(told_at, tick=False), transaction():
        receipt = commands.Receipt(f"R{number}", mine.code, f"X{number}", _lines(fen), told_at, b"1")
        return commands.take_receipt(till=till(world, store), receipt=receipt).row.outcome


def _lines(fen: int) -> list[Line]:
    return [Line(1, "SKU-1", "shoes", 3, fen + 10_000), Line(2, "SKU-2", "socks", 1, fen)]


def _used(redemption_id: int) -> Used:
    with transaction():
        row = session.query(Redemption).filter_by(redemption_id=redemption_id).one()
        return Used(row.redemption_id, row.store_id, row.discount_fen, row.hq_fen, row.dealer_fen, row.supplier_fen)


def refund(world: World, used: Used, at: datetime, line_no: int, quantity: int) -> int:
    """Refund some of a line of a redemption's order at a moment; what went back of the discount, in fen."""
    with time_machine.travel(at, tick=False), transaction():
        return commands.refund(
            brand_id=world.brand_id,
            redemption_id=used.redemption_id,
            refund_no=f"R{next(_numbers)}",
            lines=[(line_no, quantity)],
        ).fen


def undo(world: World, used: Used, at: datetime) -> None:
    """Give a redemption back at a moment."""
    with time_machine.travel(at, tick=False), transaction():
        commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id)
