"""Today: what happened so far, by store and by hour, beside yesterday up to the same time of day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, select

from app.channels.models import Follow
from app.core.db import session
from app.coupons.models import Coupon, Redemption
from app.dashboards.reach import Reach
from app.dashboards.rules import Day, share_bp
from app.members.models import Member
from app.org import queries as org
from app.org.models import Guide
from app.sales.models import SalesOrder
from app.sop.models import GuideTask

from . import funnel


class Figure(NamedTuple):
    """A number of today and of yesterday up to the same time of day."""

    today: int
    yesterday: int


@dataclass(frozen=True)
class StoreDay:
    """One store's day; money in fen. `task_bp`: tasks done of those due today, in basis points."""

    store_id: int
    code: str
    name: str
    sales_fen: int
    orders: int
    new_members: int
    customers_added: int
    tasks_due: int
    tasks_done: int
    task_bp: int
    redeemed: int


@dataclass(frozen=True)
class Board:
    """The page: `figures` by name, hours 0..23 of both days, stores with the most sales first."""

    figures: dict[str, Figure]
    task_bp: Figure
    hours: tuple[int, ...]
    hours_yesterday: tuple[int, ...]
    stores: tuple[StoreDay, ...]
    funnel: funnel.Funnel


_BY_STORE = dict[int | None, Figure]


def board(reach: Reach, day: Day) -> Board:
    """Everything the page of today shows: a dozen statements, whatever the size of the brand."""
    by = _by_name(reach, day)
    figures = {
        name: Figure(sum(one.today for one in rows.values()), sum(one.yesterday for one in rows.values()))
        for name, rows in by.items()
    }
    due, due_done = figures["tasks_due"], figures["tasks_due_done"]
    hours = _hours(reach, day)
    return Board(
        figures=figures,
        task_bp=Figure(share_bp(due_done.today, due.today), share_bp(due_done.yesterday, due.yesterday)),
        hours=hours[0],
        hours_yesterday=hours[1],
        stores=_stores(reach, by),
        funnel=funnel.of(reach, day),
    )


def stores(reach: Reach, day: Day) -> tuple[StoreDay, ...]:
    """The reader's stores with their day, most sales first."""
    return _stores(reach, _by_name(reach, day))


def _by_name(reach: Reach, day: Day) -> dict[str, _BY_STORE]:
    """Every figure of both days by store."""
    brand = reach.brand_id
    orders = and_(SalesOrder.brand_id == brand, SalesOrder.status == "paid")
    live = and_(Redemption.brand_id == brand, Redemption.returned_at.is_(None))
    tasks = and_(GuideTask.brand_id == brand, GuideTask.status.not_in(("cancelled", "merged")))
    done = case((GuideTask.status == "done", 1))
    return {
        "sales_fen": _by_store(reach, day, SalesOrder.store_id, SalesOrder.paid_at, orders, SalesOrder.paid_fen),
        "orders": _by_store(reach, day, SalesOrder.store_id, SalesOrder.paid_at, orders),
        "new_members": _by_store(
            reach,
            day,
            Member.home_store_id,
            Member.joined_at,
            and_(Member.brand_id == brand, Member.status.not_in(("erased", "merged"))),
        ),
        "customers_added": _added(reach, day),
        "tasks_created": _by_store(reach, day, GuideTask.store_id, GuideTask.created_at, tasks),
        "tasks_done": _by_store(reach, day, GuideTask.store_id, GuideTask.done_at, tasks),
        "tasks_due": _by_store(reach, day, GuideTask.store_id, GuideTask.due_at, tasks),
        "tasks_due_done": _by_store(reach, day, GuideTask.store_id, GuideTask.due_at, tasks, done),
        "coupons_issued": _issued(reach, day),
        "coupons_redeemed": _by_store(reach, day, Redemption.store_id, Redemption.redeemed_at, live),
        "discount_fen": _by_store(
            reach, day, Redemption.store_id, Redemption.redeemed_at, live, Redemption.discount_fen
        ),
    }


def _by_store(reach: Reach, day: Day, store: Any, at: Any, condition: Any, value: Any = None) -> _BY_STORE:
    """Counts of rows, or sums of `value`, of both days by store."""
    measure = func.count() if value is None else func.sum(value)
    rows = session.execute(
        select(store, measure.filter(at >= day.start), measure.filter(at < day.same))
        .where(condition, reach.within(store), at >= day.yesterday, at < day.end)
        .group_by(store)
    )
    return {store_id: Figure(int(today or 0), int(before or 0)) for store_id, today, before in rows}


def _added(reach: Reach, day: Day) -> _BY_STORE:
    rows = session.execute(
        select(
            Guide.store_id,
            func.count().filter(Follow.added_at >= day.start),
            func.count().filter(Follow.added_at < day.same),
        )
        .select_from(Follow)
        .outerjoin(Guide, Guide.id == Follow.guide_id)
        .where(
            Follow.brand_id == reach.brand_id,
            reach.within(Guide.store_id),
            Follow.added_at >= day.yesterday,
            Follow.added_at < day.end,
        )
        .group_by(Guide.store_id)
    )
    return {store_id: Figure(*counts) for store_id, *counts in rows}


def _issued(reach: Reach, day: Day) -> _BY_STORE:
    rows = session.execute(
        select(
            Member.home_store_id,
            func.count().filter(Coupon.claimed_at >= day.start),
            func.count().filter(Coupon.claimed_at < day.same),
        )
        .select_from(Coupon)
        .join(Member, and_(Member.brand_id == Coupon.brand_id, Member.member_id == Coupon.member_id))
        .where(
            Coupon.brand_id == reach.brand_id,
            reach.within(Member.home_store_id),
            Coupon.claimed_at >= day.yesterday,
            Coupon.claimed_at < day.end,
        )
        .group_by(Member.home_store_id)
    )
    return {store_id: Figure(*counts) for store_id, *counts in rows}


def _hours(reach: Reach, day: Day) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sales in fen by hour of the brand's day: today's and all of yesterday's."""
    hour = func.extract("hour", func.timezone(day.zone, SalesOrder.paid_at))
    today = SalesOrder.paid_at >= day.start
    rows = session.execute(
        select(today.label("today"), hour.label("hour"), func.sum(SalesOrder.paid_fen))
        .where(
            SalesOrder.brand_id == reach.brand_id,
            SalesOrder.status == "paid",
            reach.within(SalesOrder.store_id),
            SalesOrder.paid_at >= day.yesterday,
            SalesOrder.paid_at < day.end,
        )
        .group_by("today", "hour")
    )
    found = {(is_today, int(at)): int(fen) for is_today, at, fen in rows}
    return (
        tuple(found.get((True, at), 0) for at in range(24)),
        tuple(found.get((False, at), 0) for at in range(24)),
    )


def _stores(reach: Reach, by: dict[str, _BY_STORE]) -> tuple[StoreDay, ...]:
    none = Figure(0, 0)

    def line(store: Any) -> StoreDay:
        today = {name: rows.get(store.id, none).today for name, rows in by.items()}
        return StoreDay(
            store_id=store.id,
            code=store.code,
            name=store.name,
            sales_fen=today["sales_fen"],
            orders=today["orders"],
            new_members=today["new_members"],
            customers_added=today["customers_added"],
            tasks_due=today["tasks_due"],
            tasks_done=today["tasks_due_done"],
            task_bp=share_bp(today["tasks_due_done"], today["tasks_due"]),
            redeemed=today["coupons_redeemed"],
        )

    lines = [line(store) for store in org.stores(reach.brand_id) if reach.covers(store.id)]
    return tuple(sorted(lines, key=lambda one: (-one.sales_fen, -one.new_members, one.code)))
