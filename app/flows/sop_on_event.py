"""Something happened to a member: give their guide the tasks the brand's playbooks ask for."""

from __future__ import annotations

from datetime import timedelta

from app.core import clock
from app.members import commands as members
from app.members.events import Bound, GuideAssigned
from app.org import queries as org
from app.sales.events import OrderPaid
from app.sop import commands as sop
from app.tiers.events import Upgraded

JUST_NOW = timedelta(days=1)


def on_bound(event: Bound) -> None:
    """A phone was proved; once a member."""
    _start(event.brand_id, event.member_id, Bound.name, "once", event.guide_id, event.store_id)


def on_guide_assigned(event: GuideAssigned) -> None:
    """The member's open tasks follow to the new owner.

    Whom a customer added is sometimes known only after they bound (Tencent tells the unionid when it is asked), so a
    member who bound just now and had nobody to look after them is greeted by the owner.
    """
    if event.member_id is None:
        return
    member = members.hold(brand_id=event.brand_id, member_id=event.member_id)
    if member is None or member.guide_id is None:
        return
    guide = org.guide(member.guide_id)
    if guide is None or guide.status != "active":  # who left since gets no more work
        return
    sop.hand_over(brand_id=event.brand_id, member_id=member.member_id, guide_id=guide.id, store_id=guide.store_id)
    if member.bound_at is not None and clock.now() - member.bound_at < JUST_NOW:
        _start(event.brand_id, member.member_id, Bound.name, "once")


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
    # Held, so that an owner assigned at the same moment either is seen here or sees the tasks made here.
    member = members.hold(brand_id=brand_id, member_id=member_id) if member_id is not None else None
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
