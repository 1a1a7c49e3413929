"""Whose wallet a twin is in is forgotten with the member; what is still there is withdrawn first, by a last message."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import select, update

from app.core import crypto, outbox
from app.core.db import session

from ..models import Coupon
from . import rules
from .events import TwinLeft
from .models import CouponTwin, TwinConflict

CONTEXT = "coupons.twin_left"


def erase(*, brand_id: int, member_ids: Sequence[int]) -> int:
    """Forget the openids of these members' twins, and what people wrote of their conflicts; returns how many twins."""
    mine = (CouponTwin.brand_id == brand_id, CouponTwin.member_id.in_(member_ids), CouponTwin.openid.is_not(None))
    rows = session.execute(
        select(CouponTwin, Coupon.code)
        .join(
            Coupon,
            (Coupon.brand_id == CouponTwin.brand_id)
            & (Coupon.member_id == CouponTwin.member_id)
            & (Coupon.coupon_id == CouponTwin.coupon_id),
        )
        .where(*mine)
        .order_by(CouponTwin.coupon_id)
        .with_for_update(of=CouponTwin)
        .execution_options(populate_existing=True)
    ).all()
    for row, code in rows:
        there = row.state in (*rules.GOOD, "confirming") or row.state == "wanted" and row.asked_at is not None
        if there:
            known = {
                "product_id": row.product_id,
                "stock_id": row.stock_id,
                "appid": row.appid,
                "openid": row.openid,
                "code": code,
                "external_code": row.external_code,
                "own_codes": row.own_codes,
            }
            sealed = crypto.encrypt(json.dumps(known), context=CONTEXT)
            outbox.emit(TwinLeft(brand_id=brand_id, coupon_id=row.coupon_id, channel=row.channel, sealed=sealed))
    session.execute(
        update(CouponTwin).where(*mine).values(openid=None), execution_options={"synchronize_session": False}
    )
    session.execute(
        update(TwinConflict)
        .where(
            TwinConflict.brand_id == brand_id, TwinConflict.member_id.in_(member_ids), TwinConflict.note.is_not(None)
        )
        .values(note=None),
        execution_options={"synchronize_session": False},
    )
    return len(rows)
