"""Hands for tests of gifts: rules, occasions, and what is in a wallet."""

from __future__ import annotations

from typing import Any

from coupon_factories import campaign
from factories import World
from sqlalchemy import select

from app.core.db import session
from app.core.transaction import transaction
from app.coupons import commands
from app.coupons.models import Coupon
from app.flows import gifts
from app.members import commands as member_commands
from app.members.events import Bound


def rule(world: World, kind: str, campaign_id: int | None = None, **values: Any) -> int:
    campaign_id = campaign_id or campaign(world, per_member=9, claimable=False)
    with transaction():
        return commands.add_gift_rule(
            brand_id=world.brand_id, kind=kind, campaign_id=campaign_id, created_by="adm_1", **values
        )


def bind(world: World, member_id: int) -> bool:
    with transaction():
        return member_commands.bind(brand_id=world.brand_id, member_id=member_id, phone_tail="0001")


def wallet(world: World, member_id: int) -> list[tuple[str, str]]:
    """(source, status) of a member's coupons, oldest first."""
    with transaction():
        rows = session.execute(
            select(Coupon.source, Coupon.status)
            .where(Coupon.brand_id == world.brand_id, Coupon.member_id == member_id)
            .order_by(Coupon.coupon_id)
        )
        return [(row.source, row.status) for row in rows]


def welcome_again(world: World, member_id: int) -> None:
    with transaction():
        gifts.on_bound(Bound(brand_id=world.brand_id, member_id=member_id))
