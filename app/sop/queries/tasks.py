"""Reads of tasks, as guides, customers' pages and head office see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_

from app.core import clock, crypto
from app.core.db import session
from app.members.models import Member
from app.members.rules import NAME_CONTEXT

from ..errors import TaskUnknown
from ..models import GuideTask, Sop, SopStep


@dataclass(frozen=True)
class TaskView:
    """A task with what its step asks for. `overdue`: open and past its deadline."""

    task_id: int
    member_id: int
    sop_name: str
    title: str
    action: str
    status: str
    guide_id: int | None
    store_id: int
    due_at: datetime
    deadline_at: datetime
    done_at: datetime | None
    material_id: int | None
    campaign_id: int | None
    correlation_id: str
    person_id: int
    phone_tail: str | None
    sealed_name: str | None

    @property
    def member_name(self) -> str | None:
        """The member's name in plain, for pages whose reader may see it."""
        return None if self.sealed_name is None else crypto.decrypt(self.sealed_name, context=NAME_CONTEXT)

    @property
    def overdue(self) -> bool:
        return self.status == "open" and self.deadline_at < clock.now()


@dataclass(frozen=True)
class Counts:
    """A guide's tasks now (`due`, `overdue` of them) and those done since a moment."""

    due: int
    overdue: int
    done: int


Cursor = tuple[datetime, int]


def task(brand_id: int, task_id: int) -> TaskView:
    found = _views(_tasks(brand_id).where(GuideTask.task_id == task_id))
    if not found:
        raise TaskUnknown()
    return found[0]


def due_tasks(
    *,
    brand_id: int,
    guide_id: int | None = None,
    store_id: int | None = None,
    status: str = "open",
    after: Cursor | None = None,
    limit: int = 20,
) -> list[TaskView]:
    """Tasks of a guide or of a store that have come due, most urgent first; done ones latest first. `after`: the last
    one's (deadline_at, task_id), or (done_at, task_id) for done ones.
    """
    rows = _tasks(brand_id).where(GuideTask.status == status).limit(limit)
    if guide_id is not None:
        rows = rows.where(GuideTask.guide_id == guide_id)
    if store_id is not None:
        rows = rows.where(GuideTask.store_id == store_id)
    if status == "done":
        rows = rows.order_by(GuideTask.done_at.desc(), GuideTask.task_id.desc())
        return _views(rows.where(tuple_(GuideTask.done_at, GuideTask.task_id) < after) if after else rows)
    rows = rows.where(GuideTask.due_at <= clock.now()).order_by(GuideTask.deadline_at, GuideTask.task_id)
    return _views(rows.where(tuple_(GuideTask.deadline_at, GuideTask.task_id) > after) if after else rows)


def tasks_of_member(
    brand_id: int, member_id: int, *, guide_id: int | None = None, status: str | None = None, limit: int = 20
) -> list[TaskView]:
    """A member's tasks that have come due, newest first; only one guide's or of one status, if so asked."""
    rows = _tasks(brand_id).where(GuideTask.member_id == member_id, GuideTask.due_at <= clock.now())
    if guide_id is not None:
        rows = rows.where(GuideTask.guide_id == guide_id)
    if status is not None:
        rows = rows.where(GuideTask.status == status)
    return _views(rows.order_by(GuideTask.due_at.desc(), GuideTask.task_id.desc()).limit(limit))


def counts(brand_id: int, guide_id: int, since: datetime) -> Counts:
    """How a guide stands: tasks due and overdue now, done since `since`."""
    now = clock.now()
    due = and_(GuideTask.status == "open", GuideTask.due_at <= now)
    row = session.execute(
        select(
            _number(due),
            _number(and_(due, GuideTask.deadline_at < now)),
            _number(and_(GuideTask.status == "done", GuideTask.done_at >= since)),
        ).where(
            GuideTask.brand_id == brand_id,
            GuideTask.guide_id == guide_id,
            or_(GuideTask.status == "open", and_(GuideTask.status == "done", GuideTask.done_at >= since)),
        )
    ).one()
    return Counts(*row)


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _tasks(brand_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(
            GuideTask.task_id,
            GuideTask.member_id,
            Sop.name,
            SopStep.title,
            SopStep.action,
            GuideTask.status,
            GuideTask.guide_id,
            GuideTask.store_id,
            GuideTask.due_at,
            GuideTask.deadline_at,
            GuideTask.done_at,
            SopStep.material_id,
            SopStep.campaign_id,
            GuideTask.correlation_id,
            Member.person_id,
            Member.phone_tail,
            Member.name,
        )
        .join(Member, and_(Member.brand_id == GuideTask.brand_id, Member.member_id == GuideTask.member_id))
        .join(SopStep, and_(SopStep.brand_id == GuideTask.brand_id, SopStep.step_id == GuideTask.step_id))
        .join(Sop, and_(Sop.brand_id == GuideTask.brand_id, Sop.sop_id == GuideTask.sop_id))
        # Of a task that two members had before they became one, the loser's is nobody's (models.GuideTask).
        .where(GuideTask.brand_id == brand_id, GuideTask.status != "merged")
    )


def _views(rows: Select[*tuple[Any, ...]]) -> list[TaskView]:
    return [TaskView(*row) for row in session.execute(rows)]
