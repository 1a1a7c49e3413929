"""What an order must know of the coupons used on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, select

from app.core.db import session

from ..models import Redemption, RedemptionLine


class Share(NamedTuple):
    """What one redemption took off one line of its order, in fen."""

    redemption_id: int
    member_id: int
    store_id: int
    order_no: str
    returned_at: datetime | None
    line_no: int
    discount_fen: int


# Where the coupons of an order may have been redeemed, by its channel: till and mall number their orders separately.
_SOURCES = {"till": ("till", "desk", "channel"), "mall": ("mall", "channel")}


def channel_of(source: str) -> str:
    """The channel of the orders that a redemption's source numbers."""
    return "mall" if source == "mall" else "till"


def live_on_order(brand_id: int, order_no: str, store_id: int, channel: str) -> list[int]:
    """The redemptions that still count on an order of a store, by member, as members are held in this order by all.
    `channel`: till or mall.
    """
    return list(
        session.scalars(
            select(Redemption.redemption_id)
            .where(
                Redemption.brand_id == brand_id,
                Redemption.order_no == order_no,
                Redemption.store_id == store_id,
                Redemption.source.in_(_SOURCES[channel]),
                Redemption.returned_at.is_(None),
            )
            .order_by(Redemption.member_id, Redemption.redemption_id)
        )
    )


def redemption_shares(brand_id: int, redemption_ids: Sequence[int], *, held: bool = False) -> list[Share]:
    """The line shares of several redemptions of the brand; unknown ones are missing from the answer. `held`: none of
    them is given back until the transaction ends; the member is held before.
    """
    statement = (
        select(
            Redemption.redemption_id,
            Redemption.member_id,
            Redemption.store_id,
            Redemption.order_no,
            Redemption.returned_at,
            RedemptionLine.line_no,
            RedemptionLine.discount_fen,
        )
        .join(
            RedemptionLine,
            and_(
                RedemptionLine.brand_id == Redemption.brand_id,
                RedemptionLine.member_id == Redemption.member_id,
                RedemptionLine.redemption_id == Redemption.redemption_id,
            ),
        )
        .where(Redemption.brand_id == brand_id, Redemption.redemption_id.in_(redemption_ids))
        .order_by(Redemption.redemption_id, RedemptionLine.line_no)
    )
    if held:
        statement = statement.with_for_update(read=True, of=Redemption)
    return [Share._make(row) for row in session.execute(statement)]
