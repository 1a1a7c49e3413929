"""Coupons follow a member who is merged into another, with their history and redemptions, and go home at a split.

A coupon keeps its state on the way: one that is held for an order stays held, and its code finds it. Its number among
the member's coupons of the campaign (`seq`) is drawn anew after the winner's, so the limit counts both; two that were
given under one reference stand under it side by side. `moved` keeps both names by member, for the way back.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table

from app.core import moving
from app.members.family import Homecoming

from .models import Coupon, CouponCode, CouponEvent, Redemption, RedemptionLine, RedemptionRefund

_KEPT = "jsonb_build_object(t.member_id::text, jsonb_build_object('seq', t.seq, 'ref', t.source_ref))"
# Numbers continue after the highest the target has; who was called something there before is called that again.
_LAST = """(
    SELECT coalesce(max(o.seq), 0) FROM coupon o
    WHERE o.brand_id = t.brand_id AND o.member_id = CAST(:target_id AS bigint) AND o.campaign_id = t.campaign_id
)"""
_TAKEN = """EXISTS (
    SELECT FROM coupon o
    WHERE o.brand_id = t.brand_id AND o.member_id = CAST(:target_id AS bigint) AND o.source = t.source
      AND o.source_ref = t.source_ref
)"""
_AWAY = {
    "seq": f"{_LAST} + row_number() OVER (PARTITION BY t.campaign_id ORDER BY t.seq)",
    "source_ref": f"CASE WHEN {_TAKEN} THEN t.source_ref || '@' || t.coupon_id ELSE t.source_ref END",
    "moved": f"coalesce(t.moved, '{{}}') || {_KEPT}",
}
_BEFORE = "t.moved -> CAST(:target AS text)"
_WANTED = f"({_BEFORE} ->> 'seq')::int"
_HOME = {
    # A number is given back to the first who had it. What has none there goes after the rest.
    "seq": f"""CASE
        WHEN {_WANTED} IS NOT NULL
            AND row_number() OVER (PARTITION BY t.campaign_id, {_WANTED} ORDER BY t.coupon_id) = 1
        THEN {_WANTED}
        ELSE greatest({_LAST}, coalesce(max({_WANTED}) OVER (PARTITION BY t.campaign_id), 0))
            + row_number() OVER (PARTITION BY t.campaign_id ORDER BY t.coupon_id)
        END""",
    "source_ref": f"CASE WHEN t.moved ? CAST(:target AS text) THEN {_BEFORE} ->> 'ref' ELSE t.source_ref END",
    "moved": "nullif(t.moved - CAST(:target AS text), '{}')",
}

_HEAD = cast(Table, Coupon.__table__)
_COUPONS = moving.Family(
    head=_HEAD,
    children=tuple(cast(Table, one.__table__) for one in (CouponEvent, Redemption, RedemptionLine, RedemptionRefund)),
    lookups=(moving.Lookup(cast(Table, CouponCode.__table__), of=_HEAD, on=("code",)),),
)


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    moving.move(_COUPONS, brand_id=brand_id, source_id=loser_id, target_id=winner_id, replace=_AWAY)


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None:
    moving.bring_home(
        _COUPONS,
        brand_id=brand_id,
        target_id=loser_id,
        home=home,
        replace=_HOME,
    )
