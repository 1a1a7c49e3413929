"""Months of coupons for tests: redemptions and returns at chosen moments, and the sums they should make."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import time_machine
from coupon_factories import coupon, key
from factories import World
from sqlalchemy import update

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


def use(
    world: World,
    at: datetime,
    *,
    store: int = 0,
    fen: int = 500,
    supplier: str | None = None,
    share: int = 0,
    **terms: Any,
) -> Used:
    """Claim and redeem a coupon of `fen` in a store at a moment; a `supplier` takes `share` of it from headquarters."""
    place = world.stores[store]
    with time_machine.travel(at, tick=False):
        mine = coupon(world, amount_fen=fen, valid_days=400, **terms)
        done = commands.redeem(
            till=commands.Till(
                world.brand_id, place.id, place.dealer_id, place.region_id, "till", "till", world.till.id
            ),
            key=key(value=f"month-{next(_numbers):08d}"),
            code=mine.code,
            order_no=f"M{next(_numbers)}",
            lines=[Line(1, "SKU-1", "shoes", 1, fen + 10_000)],
        )
    if supplier is not None:
        with transaction():
            session.execute(
                update(Redemption)
                .where(Redemption.redemption_id == done.redemption_id)
                .values(supplier=supplier, supplier_fen=share, hq_fen=Redemption.hq_fen - share)
            )
    with transaction():
        row = session.query(Redemption).filter_by(redemption_id=done.redemption_id).one()
        return Used(row.redemption_id, row.store_id, row.discount_fen, row.hq_fen, row.dealer_fen, row.supplier_fen)


def undo(world: World, used: Used, at: datetime) -> None:
    """Give a redemption back at a moment."""
    with time_machine.travel(at, tick=False), transaction():
        commands.give_back(brand_id=world.brand_id, redemption_id=used.redemption_id)
