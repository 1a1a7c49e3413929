"""A till cancels a coupon while the order it was used on comes in: one of the two is refused, whoever is first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from at_once import at_once, beside
from coupon_crowds import transacted
from coupon_factories import BASKET, coupon, fresh, redeem
from factories import World
from invariants import broken
from people import make_member

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.commands import Redemption
from app.flows import coupon_orders, order_paid
from app.members import erase, family
from app.sales.models import SalesOrder
from app.sales.rules import LineData, OrderData


def upload(world: World, used: Redemption) -> Callable[[], Any]:
    """The order of a redemption, as its till tells it."""
    off = dict(used.lines)
    lines = tuple(
        LineData(
            line_no=line.line_no,
            sku=line.sku,
            name=line.sku,
            category=line.category,
            quantity=line.quantity,
            unit_fen=line.amount_fen // line.quantity,
            amount_fen=line.amount_fen,
            discount_fen=off.get(line.line_no, 0),
        )
        for line in BASKET
    )
    order = OrderData(
        source="till", order_no=used.order_no, store_id=world.store.id, paid_at=clock.now(), lines=lines
    )
    return lambda: order_paid.order_paid(
        brand_id=world.brand_id, member_id=None, order=order, redemptions=[used.redemption_id]
    )


def cancel(world: World, used: Redemption) -> Callable[[], Any]:
    return lambda: coupon_orders.cancel(brand_id=world.brand_id, redemption_id=used.redemption_id)


def orders() -> int:
    with transaction():
        return session.query(SalesOrder).count()


def test_a_cancel_waits_for_the_orders_upload_and_is_refused(app: Any, world: World) -> None:
    mine = coupon(world)
    used = redeem(world, mine.code)
    assert beside(app, upload(world, used), transacted(cancel(world, used))) == ["order_uploaded"]
    assert fresh(world, mine.member_id, mine.coupon_id).status == "redeemed" and orders() == 1
    assert broken() == []


def test_an_upload_waits_for_the_cancel_and_is_refused(app: Any, world: World) -> None:
    mine = coupon(world)
    used = redeem(world, mine.code)
    assert beside(app, cancel(world, used), transacted(upload(world, used))) == ["order_mismatch"]
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned" and orders() == 0
    assert broken() == []


def test_twin_a_cancel_beside_the_orders_upload(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither waits for the other: the order stands with a discount whose coupon can be used again."""
    monkeypatch.setattr(coupon_orders, "lock_name", lambda _: None)
    mine = coupon(world)
    used = redeem(world, mine.code)
    with transaction():
        upload(world, used)()
        at_once(app, [transacted(cancel(world, used))])
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned" and orders() == 1


def forget(world: World, member_id: int) -> Callable[[], Any]:
    """What forgetting a member does to its row and its coupons, in one transaction."""

    def work() -> None:
        erase.erase(brand_id=world.brand_id, member_ids=[member_id])
        commands.void_all(brand_id=world.brand_id, member_ids=[member_id], cause="erased")

    return work


def used_by_somebody(world: World) -> tuple[int, Redemption, int]:
    """A member, what they used, and its coupon."""
    with transaction():
        member_id = make_member(world)
    mine = coupon(world, member_id=member_id)
    return member_id, redeem(world, mine.code), mine.coupon_id


def test_a_cancel_while_its_member_is_forgotten_brings_nothing_back(app: Any, world: World) -> None:
    member_id, used, coupon_id = used_by_somebody(world)
    beside(app, forget(world, member_id), transacted(cancel(world, used)))
    assert fresh(world, member_id, coupon_id).status == "voided"
    assert broken("coupons.") == []


def test_twin_a_cancel_while_its_member_is_forgotten(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not hold the member sees them living, and nobody voids what comes back after."""
    monkeypatch.setattr(family, "keep", lambda *, brand_id, member_id: member_id)
    member_id, used, coupon_id = used_by_somebody(world)
    with transaction():
        forget(world, member_id)()
        at_once(app, [transacted(cancel(world, used))])
    assert fresh(world, member_id, coupon_id).status == "returned"
