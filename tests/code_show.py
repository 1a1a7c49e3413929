"""Channel codes, ours and WeCom's, and hands to scan them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine
from factories import World
from sqlalchemy import select

from app.channels.codes import commands
from app.channels.codes.models import Arrival, ChannelCode
from app.core import clock
from app.core.db import session
from app.core.outbox import Delivery
from app.core.transaction import transaction
from workers import relay


def order(world: World, **changes: Any) -> int:
    """Ask for a code of the first store's two guides; its id."""
    facts = {"name": "一号店", "users": ["guide1", "guide2"], "store_id": world.store.id, "state": "shop-1"}
    with transaction():
        return commands.create_code(brand_id=world.brand_id, **(facts | changes)).id


def code(code_id: int) -> ChannelCode:
    with transaction():
        return session.get_one(ChannelCode, code_id, populate_existing=True)


def ways(tencent: Any) -> list[Any]:
    return list(tencent.engine.world.ways)


def scan(tencent: Any, name: str, config_id: str | None = None) -> dict[str, Any]:
    """A customer scans the code as the simulator's scan page does."""
    way = tencent.engine.world.ways.rows[config_id] if config_id else ways(tencent)[0]
    userid = tencent.engine.ways.member_of(way)
    return tencent.add(name, userid=userid, state=way.state)[0]


def come(tencent: Any, run_work: Any, name: str) -> None:
    scan(tencent, name)
    tencent.deliver()
    run_work()


def all_arrivals() -> list[Arrival]:
    return list(session.scalars(select(Arrival).order_by(Arrival.at).execution_options(populate_existing=True)))


def dead() -> list[str]:
    return [row.subscriber for row in session.scalars(select(Delivery).where(Delivery.status == "dead"))]


def later(run_work: Any, **after: float) -> None:
    """Go on after a while: leases have ended, delayed work is due."""
    with time_machine.travel(clock.now() + timedelta(**after)):
        relay.sweep()
        run_work()
