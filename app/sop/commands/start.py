"""Give a member's guide the tasks of every SOP that an event triggers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, ids, outbox
from app.core.db import session
from app.org import queries as org
from app.privacy import queries as privacy
from app.privacy.rules import MARKETING

from .. import queries, rules
from ..events import TaskCreated
from ..models import GuideTask


def start(
    *,
    brand_id: int,
    member_id: int,
    trigger: str,
    at: datetime,
    guide_id: int | None,
    store_id: int | None,
    period: str = "once",
) -> list[int]:
    """Write the tasks of every active SOP with this trigger; returns the ids of those that are new.

    `period` tells apart occasions of the same trigger (an order, a tier), so that an event handled twice, or a member
    bound twice, gives no second task. The owning guide gets them, else whoever of the store has the fewest open ones,
    else its manager; a member of no store gets none. Steps on a channel where the member wants no advertising are left
    out.
    """
    refused = {one.channel for one in privacy.opt_outs(brand_id, member_id) if one.purpose == MARKETING}
    steps = [
        step for step in queries.steps_for_event(brand_id, trigger) if rules.CHANNEL_OF[step.action] not in refused
    ]
    guide, store = _assignee(guide_id, store_id)
    if not steps or store is None:
        return []
    zone, now = ZoneInfo(org.brand(brand_id).timezone), clock.now()
    rows: list[dict[str, Any]] = []
    for task_id, step in zip(ids.new_ids(len(steps)), steps, strict=True):
        due = rules.due_at(at, zone, step.day_offset, step.local_time)
        deadline = due + timedelta(hours=step.deadline_hours)
        rows.append(
            {
                "brand_id": brand_id,
                "member_id": member_id,
                "step_id": step.step_id,
                "period": period,
                "task_id": task_id,
                "sop_id": step.sop_id,
                "guide_id": guide,
                "store_id": store,
                "status": "open",
                "due_at": due,
                "deadline_at": deadline,
                "next_at": deadline,
                "ladder": 0,
                "correlation_id": context.correlation_id(),
                "created_at": now,
            }
        )
    written = insert(GuideTask).values(rows).on_conflict_do_nothing().returning(GuideTask.task_id)
    created = set(session.scalars(written))
    for row, step in zip(rows, steps, strict=True):
        if row["task_id"] in created:
            outbox.emit(
                TaskCreated(
                    brand_id=brand_id,
                    member_id=member_id,
                    task_id=row["task_id"],
                    sop_id=step.sop_id,
                    step_id=step.step_id,
                    title=step.title,
                    guide_id=guide,
                    store_id=store,
                    due_at=row["due_at"].isoformat(),
                )
            )
    return sorted(created)


def _assignee(guide_id: int | None, store_id: int | None) -> tuple[int | None, int | None]:
    owner = org.guide(guide_id) if guide_id is not None else None
    if owner is not None and owner.status == "active":
        return owner.id, owner.store_id
    if store_id is None:
        return None, None
    staff = org.guides_of_store(store_id)
    guides = [one.id for one in staff if one.role == "guide"] or [one.id for one in staff]
    if not guides:
        return None, store_id
    load = dict.fromkeys(guides, 0)
    counted = (
        select(GuideTask.guide_id, func.count())
        .where(GuideTask.guide_id.in_(guides), GuideTask.status == "open")
        .group_by(GuideTask.guide_id)
    )
    load |= {one: count for one, count in session.execute(counted) if one is not None}
    return min(guides, key=lambda one: (load[one], one)), store_id
