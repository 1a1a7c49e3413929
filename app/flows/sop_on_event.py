"""Something happened to a member: give their guide the tasks the brand's playbooks ask for."""

from __future__ import annotations

from app.core import clock
from app.members import queries as members
from app.members.events import Bound
from app.sales.events import OrderPaid
from app.sop import commands as sop
from app.tiers.events import Upgraded


def on_bound(event: Bound) -> None:
    """A phone was proved; once a member."""
    _start(event.brand_id, event.member_id, Bound.name, "once", event.guide_id, event.store_id)


def on_upgraded(event: Upgraded) -> None:
    """A higher tier was reached. The first placement of a new member is no upgrade to congratulate on."""
    if event.from_tier_id is not None:
        _start(event.brand_id, event.member_id, Upgraded.name, f"tier:{event.tier_id}")


def on_order_paid(event: OrderPaid) -> None:
    """An order was paid; walk-in orders have no member to look after."""
    _start(event.brand_id, event.member_id, OrderPaid.name, f"order:{event.order_id}")


def _start(
    brand_id: int,
    member_id: int | None,
    trigger: str,
    period: str,
    guide_id: int | None = None,
    store_id: int | None = None,
) -> None:
    member = members.member(brand_id, member_id) if member_id is not None else None
    if member is None or member.status != "active":
        return
    sop.start(
        brand_id=brand_id,
        member_id=member.member_id,
        trigger=trigger,
        at=clock.now(),
        # An owner who was assigned since the event knows more than the event does.
        guide_id=member.guide_id or guide_id,
        store_id=member.home_store_id or store_id,
        period=period,
    )
