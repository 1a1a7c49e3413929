"""What an order must know of the coupons used on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, exists, select

from app.core.db import session

from ..models import Redemption, RedemptionLine
from ..rules import SOURCES_BY_CHANNEL, Counter, channel_of
from .till import NOTHING_BEFORE, Before, before


class Share(NamedTuple):
    """What one redemption took off one line of its order, in fen."""

    redemption_id: int
    member_id: int
    store_id: int
    source: str
    order_no: str
    returned_at: datetime | None
    line_no: int
    discount_fen: int

    def is_of(self, channel: str) -> bool:
        """Whether orders of a channel, till or mall, may have it."""
        return self.source in SOURCES_BY_CHANNEL[channel]


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
                Redemption.source.in_(SOURCES_BY_CHANNEL[channel]),
                Redemption.returned_at.is_(None),
            )
            .order_by(Redemption.member_id, Redemption.redemption_id)
        )
    )


def before_for(counter: Counter, member_id: int, order_no: str) -> Before:
    """What was taken off an order until now, for a member who names it: nothing unless a coupon of theirs was used on
    it, so that nobody reads the orders of others by their numbers.
    """
    theirs = exists().where(
        Redemption.brand_id == counter.brand_id,
        Redemption.member_id == member_id,
        Redemption.order_no == order_no,
        Redemption.store_id == counter.store_id,
        Redemption.source.in_(SOURCES_BY_CHANNEL[channel_of(counter.source)]),
    )
    return before(counter, order_no) if session.scalar(select(theirs)) else NOTHING_BEFORE


def redemption_shares(brand_id: int, redemption_ids: Sequence[int]) -> list[Share]:
    """The line shares of several redemptions of the brand; unknown ones are missing from the answer."""
    statement = (
        select(
            Redemption.redemption_id,
            Redemption.member_id,
            Redemption.store_id,
            Redemption.source,
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
    return [Share._make(row) for row in session.execute(statement)]
