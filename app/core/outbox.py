"""Events leave in the transaction that made them true; the relay fans each out to one delivery per subscriber."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Index, Table, UniqueConstraint, and_, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from . import clock, context, ids
from .db import Base, distribution, session
from .errors import ProgrammingError
from .events import Event
from .work import Handler, Work, work_indexes


class Outbox(Base):
    __tablename__ = "outbox"
    __table_args__ = (
        # Ids commit out of order, so the relay claims what is not fanned out; it never reads `id > last`.
        Index("ix_outbox_pending", "id", postgresql_where=text("fanned_out_at IS NULL")),
        Index("ix_outbox_person", "person_id"),
        Index("ix_outbox_member", "member_id"),
        distribution("local"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    name: Mapped[str]
    payload: Mapped[dict[str, Any]]
    brand_id: Mapped[int]
    member_id: Mapped[int | None]
    person_id: Mapped[int | None]
    correlation_id: Mapped[str] = mapped_column(index=True)
    cause_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    fanned_out_at: Mapped[datetime | None]


class Delivery(Work, Base):
    __tablename__ = "delivery"
    __table_args__ = (UniqueConstraint("outbox_id", "subscriber"), *work_indexes("delivery"), distribution("local"))

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    outbox_id: Mapped[int]
    subscriber: Mapped[str]
    correlation_id: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Subscriber:
    """One row of the wiring table: who hears of which event, on which queue."""

    def __init__(self, name: str, event: type[Event], handler: Handler, queue: str, delay: timedelta) -> None:
        self.name, self.event, self.handler, self.queue, self.delay = name, event, handler, queue, delay


_subscribers: dict[str, Subscriber] = {}
_EMIT = insert(cast(Table, Outbox.__table__))  # built once, and past the ORM: every write of the product emits


def subscribe(
    event: type[Event], name: str, handler: Handler, *, queue: str = "default", delay: timedelta = timedelta(0)
) -> None:
    """Add a row to the wiring table. `name` is stored with each delivery and must stay stable. `delay`: how long after
    the event is handed out the delivery comes due.
    """
    if name in _subscribers and _subscribers[name].handler is not handler:
        raise ProgrammingError(f"two subscribers are called {name}")
    _subscribers[name] = Subscriber(name, event, handler, queue, delay)


def subscriber(name: str) -> Subscriber:
    return _subscribers[name]


def emit(event: Event) -> int:
    """Write an event to the outbox in the open transaction; returns its id."""
    event_id = ids.new_id()
    session.execute(
        _EMIT,
        {
            "id": event_id,
            "name": event.name,
            "payload": event.payload(),
            "brand_id": event.brand_id,
            "member_id": event.member_id,
            "person_id": event.person_id,
            "correlation_id": context.correlation_id(),
            "cause_id": context.cause_id(),
            "created_at": clock.now(),
        },
    )
    return event_id


def on_its_way(name: str, brand_id: int) -> bool:
    """Whether a subscriber still has to handle an event of a brand: one that is not handed out yet, or not done."""
    one = _subscribers[name]
    fresh = select(Outbox.id).where(
        Outbox.fanned_out_at.is_(None), Outbox.name == one.event.name, Outbox.brand_id == brand_id
    )
    # As the partial indexes of work say it.
    undone = or_(
        and_(Delivery.status == "due", Delivery.queue == one.queue),
        Delivery.status.in_(("queued", "running")),
        Delivery.status == "waiting",
    )
    open_ = (
        select(Delivery.id)
        .join(Outbox, Outbox.id == Delivery.outbox_id)
        .where(Delivery.subscriber == name, undone, Outbox.brand_id == brand_id)
    )
    return bool(session.scalar(select(or_(fresh.exists(), open_.exists()))))


def fan_out(limit: int) -> int:
    """Give up to `limit` new events their deliveries; returns how many events were taken."""
    moment = clock.now()
    rows = session.execute(
        select(Outbox.id, Outbox.name, Outbox.correlation_id)
        .where(Outbox.fanned_out_at.is_(None))
        .order_by(Outbox.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    deliveries = [
        {
            "id": ids.new_id(),
            "outbox_id": row.id,
            "subscriber": one.name,
            "queue": one.queue,
            "status": "due",
            "due_at": moment + one.delay,
            "attempts": 0,
            "correlation_id": row.correlation_id,
            "created_at": moment,
        }
        for row in rows
        for one in _subscribers.values()
        if one.event.name == row.name
    ]
    if deliveries:
        session.execute(insert(Delivery).on_conflict_do_nothing(index_elements=["outbox_id", "subscriber"]), deliveries)
    if rows:
        session.execute(
            update(Outbox).where(Outbox.id.in_([row.id for row in rows])).values(fanned_out_at=moment),
            execution_options={"synchronize_session": False},
        )
    return len(rows)
