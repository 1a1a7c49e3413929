"""Everything that can be done to coupons, on the same few of them at the same moment."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from at_once import at_once
from coupon_crowds import transacted
from coupon_factories import campaign, coupon, redeem, till
from factories import World
from invariants import broken

from app.core.db import session
from app.coupons import commands
from app.coupons.models import Redemption


def test_everything_at_once_leaves_the_books_right(app: Any, world: World) -> None:
    """Redeem, give back, hold, let go and sweep, all on the same few coupons: who wins is open, the books are not."""
    chance = random.Random(11)
    campaign_id = campaign(world, per_member=1)
    coupons = [coupon(world, campaign_id) for _ in range(4)]

    def give_back_any() -> None:
        live = session.query(Redemption).filter(Redemption.returned_at.is_(None)).first()
        if live is not None:
            commands.give_back(brand_id=world.brand_id, redemption_id=live.redemption_id)

    def work(no: int) -> Callable[[], Any]:
        one = chance.choice(coupons)
        where = {"counter": till(world), "member_id": one.member_id, "coupon_id": one.coupon_id}
        return chance.choice(
            [
                lambda: redeem(world, one.code, order_no=f"O{no % 3}"),
                lambda: redeem(world, one.code, order_no=f"O{no % 3}"),
                transacted(give_back_any),
                transacted(lambda: commands.lock(**where, order_no=f"O{no % 3}", hold=timedelta(milliseconds=5))),
                transacted(lambda: commands.release(**where, order_no=f"O{no % 3}")),
                transacted(commands.release_ended_locks),
            ]
        )

    for _ in range(5):
        at_once(app, [work(no) for no in range(8)])
        assert broken() == []
