"""Points end: each night expired lots are booked out, brand by brand and chunk by chunk."""

from __future__ import annotations

from datetime import datetime

from app.core import outbox
from app.core.slots import Slot
from app.org import queries as org
from app.points import commands as points
from app.points import queries as points_queries
from app.points.events import ExpiryDue

CHUNK = 200


def begin(slot: Slot) -> None:
    """Slot points.expire: start every brand's expiry."""
    for brand in org.brands():
        outbox.emit(ExpiryDue(brand_id=brand.id, until=slot.at.isoformat()))


def expire_chunk(event: ExpiryDue) -> None:
    """Book out the expired lots of one chunk of members; a full chunk is followed by another."""
    until = datetime.fromisoformat(event.until)
    members = points_queries.members_with_expired_lots(event.brand_id, until, CHUNK)
    if members:
        points.expire(brand_id=event.brand_id, member_ids=members, at=until)
    if len(members) == CHUNK:
        outbox.emit(event)
