"""A till cancels a coupon while the order it was used on comes in: one of the two is refused, whoever is first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from at_once import at_once, meanwhile, until_waiting
from coupon_crowds import transacted
from coupon_factories import BASKET, coupon, fresh, redeem
from factories import World
from invariants import broken

from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.coupons.commands import Redemption
from app.flows import coupon_orders, order_paid
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


def beside(app: Any, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """What the second hears, that came before the first was committed."""
    with ExitStack() as stack:
        with transaction():
            first()
            found = stack.enter_context(meanwhile(app, transacted(second)))
            until_waiting()
    return found


def test_a_cancel_waits_for_the_orders_upload_and_is_refused(app: Any, world: World) -> None:
    mine = coupon(world)
    used = redeem(world, mine.code)
    assert beside(app, upload(world, used), cancel(world, used)) == ["order_uploaded"]
    assert fresh(world, mine.member_id, mine.coupon_id).status == "redeemed" and orders() == 1
    assert broken() == []


def test_an_upload_waits_for_the_cancel_and_is_refused(app: Any, world: World) -> None:
    mine = coupon(world)
    used = redeem(world, mine.code)
    assert beside(app, cancel(world, used), upload(world, used)) == ["order_mismatch"]
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned" and orders() == 0
    assert broken() == []


def test_twin_a_cancel_beside_the_orders_upload(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redemptions that are only read: the order stands with a discount whose coupon can be used again."""
    shares = order_paid.redemption_shares
    monkeypatch.setattr(order_paid, "redemption_shares", lambda *asked, held=False: shares(*asked))
    mine = coupon(world)
    used = redeem(world, mine.code)
    with transaction():
        upload(world, used)()
        at_once(app, [transacted(cancel(world, used))])
    assert fresh(world, mine.member_id, mine.coupon_id).status == "returned" and orders() == 1
