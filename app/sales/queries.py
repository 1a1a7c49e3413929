"""Reads of sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from sqlalchemy import and_, func, select, text, tuple_

from app.core import bulk
from app.core.db import session

from .models import OrderLine, OrderNumber, Refund, RefundLine, RefundNumber, SalesOrder


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


def is_known(brand_id: int, source: str, order_no: str) -> bool:
    """Whether an order of this number was taken in."""
    return session.get(OrderNumber, (brand_id, source, order_no)) is not None


def is_refund_known(brand_id: int, source: str, refund_no: str) -> bool:
    """Whether a refund of this number was taken in."""
    return session.get(RefundNumber, (brand_id, source, refund_no)) is not None


def refunded(brand_id: int, refund_id: int) -> tuple[SalesOrder, str] | None:
    """The order of a refund of the brand, wherever it stands by now, and the refund's number."""
    row = session.execute(
        select(SalesOrder, Refund.refund_no)
        .join(
            Refund,
            and_(
                Refund.brand_id == SalesOrder.brand_id,
                Refund.member_id == SalesOrder.member_id,
                Refund.order_id == SalesOrder.order_id,
            ),
        )
        .where(Refund.brand_id == brand_id, Refund.refund_id == refund_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def gone_back(order: SalesOrder) -> dict[int, int]:
    """How much of an order's lines has gone back until now, by number; lines of which only money did are missing."""
    rows = session.execute(
        select(RefundLine.line_no, func.sum(RefundLine.quantity))
        .join(
            Refund,
            and_(
                Refund.brand_id == RefundLine.brand_id,
                Refund.member_id == RefundLine.member_id,
                Refund.refund_id == RefundLine.refund_id,
            ),
        )
        .where(
            Refund.brand_id == order.brand_id,
            Refund.member_id == order.member_id,
            Refund.order_id == order.order_id,
            RefundLine.quantity > 0,
        )
        .group_by(RefundLine.line_no)
    )
    return {line_no: int(quantity) for line_no, quantity in rows}


def orders_of(
    brand_id: int, member_id: int, *, before: tuple[datetime, int] | None = None, limit: int = 20
) -> Sequence[SalesOrder]:
    """A member's orders, newest first; `before` is (paid_at, order_id) of the last one seen."""
    statement = select(SalesOrder).where(SalesOrder.brand_id == brand_id, SalesOrder.member_id == member_id)
    if before is not None:
        statement = statement.where(tuple_(SalesOrder.paid_at, SalesOrder.order_id) < before)
    return session.scalars(statement.order_by(SalesOrder.paid_at.desc(), SalesOrder.order_id.desc()).limit(limit)).all()


def uploaded(brand_id: int, source: str, order_no: str) -> SalesOrder | None:
    """The order that a till or mall uploaded under a number, whoever's it is by now."""
    return session.scalar(
        select(SalesOrder)
        .join(
            OrderNumber,
            (OrderNumber.brand_id == SalesOrder.brand_id)
            & (OrderNumber.member_id == SalesOrder.member_id)
            & (OrderNumber.order_id == SalesOrder.order_id),
        )
        .where(OrderNumber.brand_id == brand_id, OrderNumber.source == source, OrderNumber.order_no == order_no)
        .execution_options(populate_existing=True)
    )


def member_order(
    brand_id: int, member_id: int, *, store_id: int, channel: str, order_no: str, since: datetime
) -> SalesOrder | None:
    """A member's order by its number in a store and channel, paid since a moment, whichever source told it."""
    return session.scalar(
        select(SalesOrder)
        .where(
            SalesOrder.brand_id == brand_id,
            SalesOrder.member_id == member_id,
            SalesOrder.paid_at >= since,
            SalesOrder.store_id == store_id,
            SalesOrder.channel == channel,
            SalesOrder.order_no == order_no,
        )
        .order_by(SalesOrder.paid_at)
        .limit(1)
        .execution_options(populate_existing=True)
    )


def heads(brand_id: int, sources: Sequence[str], order_nos: Sequence[str]) -> dict[tuple[str, str], SalesOrder]:
    """Orders by (source, order_no), of names given side by side; those that are not there are missing."""
    bulk.stage("staged_name", pa.table({"source": list(sources), "order_no": list(order_nos)}))
    named = (
        text("SELECT source, order_no FROM staged_name").columns(OrderNumber.source, OrderNumber.order_no).subquery()
    )
    rows = session.scalars(
        select(SalesOrder)
        .join(
            OrderNumber,
            (OrderNumber.brand_id == SalesOrder.brand_id)
            & (OrderNumber.member_id == SalesOrder.member_id)
            & (OrderNumber.order_id == SalesOrder.order_id),
        )
        .join(named, (named.c.source == OrderNumber.source) & (named.c.order_no == OrderNumber.order_no))
        .where(OrderNumber.brand_id == brand_id)
    )
    return {(row.source, row.order_no): row for row in rows}


def lines_of(brand_id: int, orders: Sequence[SalesOrder]) -> dict[int, list[tuple[int, int]]]:
    """(line_no, paid fen) of each line of orders, by order id."""
    found: dict[int, list[tuple[int, int]]] = {order.order_id: [] for order in orders}
    keys = {"member_id": [order.member_id for order in orders], "order_id": [order.order_id for order in orders]}
    bulk.stage("staged_key", pa.table({name: pa.array(values, pa.int64()) for name, values in keys.items()}))
    rows = bulk.fetch(
        "SELECT l.order_id, l.line_no, l.paid_fen FROM order_line l"
        " JOIN (SELECT DISTINCT member_id, order_id FROM staged_key) s USING (member_id, order_id)"
        " WHERE l.brand_id = %(brand_id)s ORDER BY l.order_id, l.line_no",
        {"brand_id": brand_id},
    )
    for order_id, line_no, paid_fen in rows:
        found[order_id].append((line_no, paid_fen))
    return found
