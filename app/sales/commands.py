"""Recording orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, insert, select, text

from app.core import clock, context, ids, outbox
from app.core.db import session
from app.members import family

from .errors import OrderChanged
from .events import OrderPaid
from .models import OrderLine, OrderNumber, SalesOrder
from .rules import OrderData, content_hash

# Plain tables: the order path is the busiest write there is, and the unit of work would double its cost.
_ORDER, _LINE = cast(Table, SalesOrder.__table__), cast(Table, OrderLine.__table__)


# The member's row is held as `members.family.keep` holds it: a merge waits for the order, and an order that waited for
# a merge claims nothing here.
_CLAIM = text("""
WITH kept AS (
    SELECT merged_into FROM member WHERE brand_id = :brand_id AND member_id = :member_id FOR KEY SHARE
)
INSERT INTO order_number (brand_id, source, order_no, member_id, order_id, content_hash)
SELECT :brand_id, :source, :order_no, :member_id, :order_id, CAST(:content_hash AS bytea)
WHERE NOT EXISTS (SELECT FROM kept WHERE merged_into IS NOT NULL)
ON CONFLICT DO NOTHING
RETURNING order_id
""")


@dataclass(frozen=True)
class Recorded:
    """`member_id` is the order's key, its own id for a walk-in; `new` is False for a repeated upload."""

    order_id: int
    member_id: int
    new: bool


def record_order(*, brand_id: int, member_id: int | None, order: OrderData) -> Recorded:
    """Record an order that adds up, once per (source, order_no); emits sales.order_paid the first time.

    A repeated upload with the same content returns the recorded order. Raises OrderChanged for other content. The
    member is kept from being merged until the transaction ends; who was merged has bought as the one who lives on.
    """
    order_id = ids.new_id()
    key = member_id if member_id is not None else order_id
    digest = content_hash(order, member_id)
    number = {
        "brand_id": brand_id,
        "source": order.source,
        "order_no": order.order_no,
        "member_id": key,
        "order_id": order_id,
        "content_hash": digest,
    }
    if session.scalar(_CLAIM, number) is None:
        found = _recorded(brand_id, member_id, order, digest)
        if found is None:
            assert member_id is not None
            living_id = family.living_id(brand_id, member_id)
            return record_order(brand_id=brand_id, member_id=living_id, order=order)
        return found
    owner = {"brand_id": brand_id, "member_id": key, "order_id": order_id}
    session.execute(
        insert(_ORDER).values(
            **owner,
            source=order.source,
            order_no=order.order_no,
            store_id=order.store_id,
            guide_id=order.guide_id,
            channel=order.channel,
            walk_in=member_id is None,
            total_fen=order.total_fen,
            discount_fen=order.discount_fen,
            paid_fen=order.paid_fen,
            status="paid",
            paid_at=order.paid_at,
            correlation_id=context.correlation_id(),
            created_at=clock.now(),
        )
    )
    session.execute(insert(_LINE), [owner | vars(line) | {"paid_fen": line.paid_fen} for line in order.lines])
    outbox.emit(
        OrderPaid(
            brand_id=brand_id,
            member_id=member_id,
            order_id=order_id,
            order_no=order.order_no,
            store_id=order.store_id,
            guide_id=order.guide_id,
            paid_fen=order.paid_fen,
        )
    )
    return Recorded(order_id, key, True)


def _recorded(brand_id: int, member_id: int | None, order: OrderData, digest: bytes) -> Recorded | None:
    """The order under this number; None when there is none, as its member was merged."""
    found = session.execute(
        select(OrderNumber.order_id, OrderNumber.member_id, OrderNumber.content_hash).where(
            OrderNumber.brand_id == brand_id,
            OrderNumber.source == order.source,
            OrderNumber.order_no == order.order_no,
        )
    ).one_or_none()
    if found is None:
        return None
    if found.content_hash != digest and not _was_another_then(brand_id, member_id, order, found.content_hash):
        raise OrderChanged(order_no=order.order_no)
    return Recorded(found.order_id, found.member_id, False)


def _was_another_then(brand_id: int, member_id: int | None, order: OrderData, digest: bytes) -> bool:
    """Whether only the member differs, and is one who has been merged with the other, or parted from them, since."""
    if member_id is None:
        return False
    return any(content_hash(order, one) == digest for one in family.related(brand_id, [member_id])[member_id])
