"""The open API of tills, malls and ERP systems: signed, scoped to a brand and its stores."""

from __future__ import annotations

from apiflask import APIBlueprint

from . import consents, mall, members, order_coupons, orders, redemptions


def blueprints() -> tuple[APIBlueprint, ...]:
    return (
        redemptions.blueprint,
        order_coupons.blueprint,
        orders.blueprint,
        members.blueprint,
        mall.blueprint,
        consents.blueprint,
    )
