"""The ladder of a task nobody did: remind its guide, tell the store's manager, let it expire."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import text

from app.core import clock, outbox
from app.core.db import session
from app.org import queries as org

from ..events import TasksOverdue

# `next_at` is the deadline until the first rung; the hours of a rung are counted from the deadline.
_CLIMB = text(
    """
    WITH late AS (
        SELECT t.brand_id, t.member_id, t.step_id, t.period, v.assignment
        FROM guide_task t
        JOIN sop_step s ON s.brand_id = t.brand_id AND s.step_id = t.step_id
        JOIN sop_version v ON v.brand_id = s.brand_id AND v.sop_id = s.sop_id AND v.version = s.version
        WHERE t.status = 'open' AND t.next_at <= :now
        ORDER BY t.next_at LIMIT :limit
        FOR UPDATE OF t SKIP LOCKED
    )
    UPDATE guide_task t SET
        ladder = least(t.ladder + 1, 2),
        status = CASE WHEN t.ladder = 2 THEN 'expired' ELSE 'open' END,
        next_at = t.deadline_at + make_interval(hours => CAST(
            late.assignment ->> CASE t.ladder WHEN 0 THEN 'escalate_hours' ELSE 'expire_hours' END AS int))
    FROM late
    WHERE (t.brand_id, t.member_id, t.step_id, t.period)
        = (late.brand_id, late.member_id, late.step_id, late.period) AND t.status = 'open'
    RETURNING t.brand_id, t.store_id, t.guide_id, t.task_id, t.ladder, t.status
    """
)


def remind(*, limit: int) -> int:
    """Take up to `limit` overdue tasks one rung up, with one TasksOverdue per person to be told; returns how many.

    Rung 1 the guide, rung 2 the managers of the store, after that the task expires and nobody is told.
    """
    climbed = session.execute(_CLIMB, {"now": clock.now(), "limit": limit}).all()
    told: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for task in climbed:
        if task.status != "open":
            continue
        if task.ladder == 1 and task.guide_id is not None:
            told[task.brand_id, task.guide_id, "guide"].append(task.task_id)
        if task.ladder == 2:
            for one in org.guides_of_store(task.store_id):
                if one.role == "store_manager":
                    told[task.brand_id, one.id, "store_manager"].append(task.task_id)
    for (brand_id, guide_id, level), tasks in sorted(told.items()):
        outbox.emit(
            TasksOverdue(brand_id=brand_id, guide_id=guide_id, level=level, count=len(tasks), first_task_id=min(tasks))
        )
    return len(climbed)
