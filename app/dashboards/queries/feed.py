"""The live feed: the newest events of a brand, as far as the reader sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, and_, or_, select

from app.core.db import session
from app.core.outbox import Outbox
from app.dashboards.reach import Reach
from app.dashboards.rules import mask_name
from app.members.models import Member

# What a manager wants to see pass by; the rest of the events is machinery.
SHOWN = (
    "channels.customer_added",
    "channels.customer_lost",
    "members.joined",
    "members.bound",
    "sales.order_paid",
    "tiers.upgraded",
    "coupons.issued",
    "coupons.redeemed",
    "coupons.returned",
    "sop.task_created",
    "sop.task_completed",
)


@dataclass(frozen=True)
class Happened:
    """One event. `who` is a masked name or the member number, empty when nobody is known."""

    event_id: int
    name: str
    at: datetime
    member_id: int | None
    who: str
    store_id: int | None
    data: dict[str, Any]


def newest(reach: Reach, limit: int) -> list[Happened]:
    """The newest events, newest first."""
    at_store = Outbox.payload["store_id"].astext.cast(BigInteger)
    visible = or_(reach.within(at_store), reach.within(Member.home_store_id))
    rows = session.execute(
        select(Outbox, Member)
        .outerjoin(Member, and_(Member.brand_id == Outbox.brand_id, Member.member_id == Outbox.member_id))
        .where(Outbox.brand_id == reach.brand_id, Outbox.name.in_(SHOWN), visible)
        .order_by(Outbox.id.desc())
        .limit(limit)
    )
    return [
        Happened(
            event_id=event.id,
            name=event.name,
            at=event.created_at,
            member_id=event.member_id,
            who=(mask_name(member.plain_name) or member.number) if member else "",
            store_id=event.payload.get("store_id") or (member.home_store_id if member else None),
            data=event.payload,
        )
        for event, member in rows
    ]
