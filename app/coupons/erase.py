"""What a forgotten member's gifts to others say of them goes; that coupons were given and used stays."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, update

from app.core import clock
from app.core.db import session

from .issue_models import CouponHoldOut, CouponTransfer

_QUIET = {"synchronize_session": False}


def erase(*, brand_id: int, member_ids: Sequence[int]) -> None:
    """End what a member (and those merged into it) offers to friends, and take it out of comparisons. The coupons
    themselves are voided by `commands.void_all`.
    """
    session.execute(
        update(CouponTransfer)
        .where(
            CouponTransfer.brand_id == brand_id,
            CouponTransfer.member_id.in_(member_ids),
            CouponTransfer.status == "open",
        )
        .values(status="taken_back", ended_at=clock.now()),
        execution_options=_QUIET,
    )
    session.execute(
        delete(CouponHoldOut).where(CouponHoldOut.brand_id == brand_id, CouponHoldOut.member_id.in_(member_ids)),
        execution_options=_QUIET,
    )
