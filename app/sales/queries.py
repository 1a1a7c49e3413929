"""Reads of sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, tuple_

from app.core.db import session

from .models import OrderLine, SalesOrder


def order(brand_id: int, member_id: int, order_id: int) -> SalesOrder | None:
    """One order by its key; `member_id` is the order's own id for a walk-in."""
    return session.get(SalesOrder, (brand_id, member_id, order_id))


def lines(brand_id: int, member_id: int, order_id: int) -> Sequence[OrderLine]:
    """An order's lines by number."""
    return session.scalars(
        select(OrderLine)
        .where(OrderLine.brand_id == brand_id, OrderLine.member_id == member_id, OrderLine.order_id == order_id)
        .order_by(OrderLine.line_no)
    ).all()


def orders_of(
    brand_id: int, member_id: int, *, before: tuple[datetime, int] | None = None, limit: int = 20
) -> Sequence[SalesOrder]:
    """A member's orders, newest first; `before` is (paid_at, order_id) of the last one seen."""
    statement = select(SalesOrder).where(SalesOrder.brand_id == brand_id, SalesOrder.member_id == member_id)
    if before is not None:
        statement = statement.where(tuple_(SalesOrder.paid_at, SalesOrder.order_id) < before)
    return session.scalars(statement.order_by(SalesOrder.paid_at.desc(), SalesOrder.order_id.desc()).limit(limit)).all()
