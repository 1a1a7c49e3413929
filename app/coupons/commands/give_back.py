"""Give a redemption back: its order was cancelled or refunded. The coupon may be used again while it is valid."""

from __future__ import annotations

from sqlalchemy import update

from app.core import clock, outbox
from app.core.db import session

from .. import queries
from ..errors import RedemptionReturned
from ..events import Returned
from ..models import Coupon, Redemption
from .parts import note


def give_back(*, brand_id: int, redemption_id: int) -> Redemption:
    """Undo a live redemption in the open transaction; RedemptionUnknown, RedemptionReturned.

    Its lines and amounts stay as they were; `returned_at` says that they no longer count.
    """
    row = queries.redemption(brand_id, redemption_id)
    if not _undo(row):
        # A merge of members may have moved it between the two statements; then it is looked up where it is now.
        was, row = row.member_id, queries.redemption(brand_id, redemption_id)
        if row.member_id == was or not _undo(row):
            raise RedemptionReturned()
    # The redemption was live and is locked by us, so the coupon is redeemed: anything else is a bug and rolls back.
    campaign_id = session.execute(
        update(Coupon)
        .where(
            Coupon.brand_id == brand_id,
            Coupon.member_id == row.member_id,
            Coupon.coupon_id == row.coupon_id,
            Coupon.status == "redeemed",
        )
        .values(status="returned")
        .returning(Coupon.campaign_id),
        execution_options={"synchronize_session": False},
    ).scalar_one()
    note(
        [(brand_id, row.member_id, row.coupon_id, "redeemed")],
        to="returned",
        cause="return",
        order_no=row.order_no,
        store_id=row.store_id,
    )
    outbox.emit(
        Returned(
            brand_id=brand_id,
            member_id=row.member_id,
            coupon_id=row.coupon_id,
            campaign_id=campaign_id,
            redemption_id=redemption_id,
            order_no=row.order_no,
            store_id=row.store_id,
            discount_fen=row.discount_fen,
        )
    )
    session.refresh(row)
    return row


def _undo(row: Redemption) -> bool:
    undone = session.execute(
        update(Redemption)
        .where(
            Redemption.brand_id == row.brand_id,
            Redemption.member_id == row.member_id,
            Redemption.redemption_id == row.redemption_id,
            Redemption.returned_at.is_(None),
        )
        .values(returned_at=clock.now())
        .returning(Redemption.redemption_id),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    return undone is not None
