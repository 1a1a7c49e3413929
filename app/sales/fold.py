"""Orders follow a member who is merged into another, with their lines and refunds, and go home at a split.

The ways to an order by its number follow too. An order of a walk-in is nobody's and stays.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table

from app.core import moving
from app.members.family import Homecoming

from .models import OrderLine, OrderNumber, Refund, RefundLine, RefundNumber, SalesOrder

_HEAD, _REFUND = cast(Table, SalesOrder.__table__), cast(Table, Refund.__table__)
_ORDERS = moving.Family(
    head=_HEAD,
    children=(cast(Table, OrderLine.__table__), _REFUND, cast(Table, RefundLine.__table__)),
    lookups=(
        moving.Lookup(cast(Table, OrderNumber.__table__), of=_HEAD, on=("brand_id", "source", "order_no")),
        moving.Lookup(cast(Table, RefundNumber.__table__), of=_REFUND, on=("brand_id", "source", "refund_no")),
    ),
)


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    moving.move(_ORDERS, brand_id=brand_id, source_id=loser_id, target_id=winner_id)


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None:
    moving.bring_home(
        _ORDERS,
        brand_id=brand_id,
        target_id=loser_id,
        home=home,
    )
