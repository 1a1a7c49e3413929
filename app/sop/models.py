"""SOPs in versions, the runs of scheduled ones, and guides' tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, ids
from app.core.db import Base, distribution


class Sop(Base):
    __tablename__ = "sop"
    __table_args__ = (
        UniqueConstraint("brand_id", "code"),
        CheckConstraint("status IN ('draft', 'active', 'paused')", name="status"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sop_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    code: Mapped[str]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    version: Mapped[int] = mapped_column(default=1)


class SopVersion(Base):
    """What a SOP was at one time; tasks point at its steps and do not change under a guide's hands.

    trigger: `{"event": "members.bound"}` or `{"segment_id": 1, "every": "day", "at": "09:00"}` (rules.check_trigger).
    assignment: hours after the deadline, `{"remind_hours": 0, "escalate_hours": 4, "expire_hours": 72}`.
    """

    __tablename__ = "sop_version"
    __table_args__ = (distribution("reference"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sop_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    trigger: Mapped[dict[str, Any]]
    assignment: Mapped[dict[str, Any]]


class SopStep(Base):
    """`local_time` "HH:MM" in the brand's zone; NULL: at the trigger's own time of day, at once on day 0."""

    __tablename__ = "sop_step"
    __table_args__ = (
        UniqueConstraint("brand_id", "sop_id", "version", "step_no"),
        CheckConstraint("action IN ('message', 'call', 'invite')", name="action"),
        CheckConstraint("day_offset >= 0 AND deadline_hours > 0", name="times"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    sop_id: Mapped[int]
    version: Mapped[int]
    step_no: Mapped[int]
    day_offset: Mapped[int]
    local_time: Mapped[str | None]
    action: Mapped[str]
    title: Mapped[str]
    material_id: Mapped[int | None]
    campaign_id: Mapped[int | None]
    deadline_hours: Mapped[int]


class SopRun(Base):
    """One run of a scheduled SOP: whom it reaches is fixed at `as_of`, `cursor` is the last member that has tasks.

    `created` counts tasks, `refused` those that were left out because the member wants no advertising that way.
    """

    __tablename__ = "sop_run"
    __table_args__ = (
        CheckConstraint("status IN ('running', 'done')", name="status"),
        Index("ix_sop_run_running", "brand_id", postgresql_where=text("status = 'running'")),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sop_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    segment_id: Mapped[int]
    as_of: Mapped[datetime]
    audience: Mapped[int]
    cursor: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[str] = mapped_column(default="running")
    finished_at: Mapped[datetime | None]
    correlation_id: Mapped[str]


class GuideTask(Base):
    """The work item one guide has for one member. (step, period) makes it one, however often it is distributed.

    `announced_at` and `notice_id`: when and by which message the guide was told. `ladder` 0 nothing yet, 1 reminded,
    2 the store manager was told; the next rung is due at `next_at`. `merged`: an open task whose member was merged into
    one who has the same task; nobody is asked to do it twice, and a split opens it again.
    """

    __tablename__ = "guide_task"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'done', 'expired', 'cancelled', 'merged')", name="status"),
        CheckConstraint("(status = 'done') = (done_at IS NOT NULL)", name="done_at"),
        Index("ix_guide_task_task_id", "task_id"),
        Index("ix_guide_task_guide", "brand_id", "guide_id", "status", "deadline_at"),
        Index("ix_guide_task_store", "brand_id", "store_id", "status", "deadline_at"),
        Index("ix_guide_task_untold", "due_at", postgresql_where=text("status = 'open' AND announced_at IS NULL")),
        Index("ix_guide_task_ladder", "next_at", postgresql_where=text("status = 'open'")),
        distribution("member_id", merge="moves"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(primary_key=True)
    task_id: Mapped[int]
    sop_id: Mapped[int]
    guide_id: Mapped[int | None]
    store_id: Mapped[int]
    status: Mapped[str] = mapped_column(default="open")
    due_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    evidence: Mapped[dict[str, Any] | None]
    announced_at: Mapped[datetime | None]
    notice_id: Mapped[int | None]
    ladder: Mapped[int] = mapped_column(SmallInteger, default=0)
    next_at: Mapped[datetime]
    correlation_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    origin_member_id: Mapped[int | None]
