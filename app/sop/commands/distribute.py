"""Scheduled SOPs: write down whom a run reaches, then give out its tasks chunk by chunk.

Each chunk is one transaction with the cursor that says how far the run has come, and each task has a natural key, so
killing it anywhere and running it again gives the same rows.
"""

from __future__ import annotations

import json
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import CursorResult, func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, ids, outbox
from app.core.db import session
from app.org import queries as org
from app.segments import commands as segments
from app.segments.models import SegmentSnapshot

from .. import queries, rules
from ..events import RunAdvanced
from ..models import SopRun

CHUNK = 5000

# A member's owning guide if still there, else one of the home store's guides chosen by the member's hash (the same
# one every time, an even share each), else the store's manager. Members of no store get no task.
_INSERT = text(
    """
    INSERT INTO guide_task (brand_id, member_id, step_id, period, task_id, sop_id, guide_id, store_id, status,
                            due_at, deadline_at, next_at, ladder, correlation_id, created_at)
    SELECT m.brand_id, m.member_id, step.step_id, :period,
           (CAST(:ids AS bigint[]))[row_number() OVER (ORDER BY m.member_id, step.step_id)],
           :sop_id,
           coalesce(owner.id,
                    pool.guides[1 + abs(hashint8(m.member_id)::bigint) % nullif(cardinality(pool.guides), 0)],
                    pool.manager),
           coalesce(owner.store_id, m.home_store_id),
           'open', step.due_at, step.deadline_at, step.deadline_at, 0, :correlation_id, :now
    FROM segment_snapshot s
    JOIN member m ON m.brand_id = s.brand_id AND m.member_id = s.member_id AND m.status = 'active'
    LEFT JOIN guide owner ON owner.id = m.guide_id AND owner.status = 'active'
    LEFT JOIN (
        SELECT store_id,
               array_agg(id ORDER BY id) FILTER (WHERE role = 'guide') AS guides,
               min(id) FILTER (WHERE role = 'store_manager') AS manager
        FROM guide WHERE brand_id = :brand_id AND status = 'active' GROUP BY store_id
    ) pool ON pool.store_id = m.home_store_id
    CROSS JOIN jsonb_to_recordset(CAST(:steps AS jsonb))
        AS step(step_id bigint, channel text, due_at timestamptz, deadline_at timestamptz)
    LEFT JOIN opt_out refusal ON refusal.brand_id = m.brand_id AND refusal.member_id = m.member_id
         AND refusal.purpose = 'marketing' AND refusal.channel = step.channel
    WHERE refusal.member_id IS NULL AND s.brand_id = :brand_id AND s.segment_id = :segment_id AND s.taken_at = :as_of
      AND s.member_id > :after AND s.member_id <= :upto
      AND coalesce(owner.store_id, m.home_store_id) IS NOT NULL
    ON CONFLICT DO NOTHING
    """
)

# What the statement above left out because the member does not want to be reached that way, so that it can be told.
_REFUSED = text(
    """
    SELECT count(*)
    FROM segment_snapshot s
    JOIN member m ON m.brand_id = s.brand_id AND m.member_id = s.member_id AND m.status = 'active'
    JOIN opt_out refusal ON refusal.brand_id = m.brand_id AND refusal.member_id = m.member_id
         AND refusal.purpose = 'marketing'
    JOIN jsonb_to_recordset(CAST(:steps AS jsonb)) AS step(step_id bigint, channel text)
         ON step.channel = refusal.channel
    WHERE s.brand_id = :brand_id AND s.segment_id = :segment_id AND s.taken_at = :as_of
      AND s.member_id > :after AND s.member_id <= :upto
    """
)


def open_runs() -> int:
    """Open a run for every scheduled SOP that owes one now, its audience fixed as of now; returns how many."""
    now, opened = clock.now(), 0
    for sop in queries.scheduled():
        zone = ZoneInfo(org.brand(sop.brand_id).timezone)
        period = rules.due_period(sop.trigger, now, zone)
        if period is None:
            continue
        claimed = session.scalar(
            insert(SopRun)
            .values(
                brand_id=sop.brand_id,
                sop_id=sop.sop_id,
                period=period,
                version=sop.version,
                segment_id=sop.trigger["segment_id"],
                as_of=now,
                audience=0,
                cursor=0,
                created=0,
                refused=0,
                status="running",
                correlation_id=context.correlation_id(),
            )
            .on_conflict_do_nothing()
            .returning(SopRun.sop_id)
        )
        if claimed is None:
            continue
        run = session.get_one(SopRun, (sop.brand_id, sop.sop_id, period))
        run.audience = segments.take_snapshot(brand_id=sop.brand_id, segment_id=run.segment_id, as_of=now)
        opened += 1
    session.flush()
    return opened


def advance(*, chunk: int = CHUNK) -> bool:
    """Give out one chunk of the oldest unfinished run nobody else is at and emit RunAdvanced, which asks for the
    next; returns False, and emits nothing, when there is nothing to do.
    """
    run = session.scalar(
        select(SopRun)
        .where(SopRun.status == "running")
        .order_by(SopRun.as_of, SopRun.sop_id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if run is None:
        return False
    following = (
        select(SegmentSnapshot.member_id)
        .where(
            SegmentSnapshot.brand_id == run.brand_id,
            SegmentSnapshot.segment_id == run.segment_id,
            SegmentSnapshot.taken_at == run.as_of,
            SegmentSnapshot.member_id > run.cursor,
        )
        .order_by(SegmentSnapshot.member_id)
        .limit(chunk)
        .subquery()
    )
    members, last = session.execute(select(func.count(), func.max(following.c.member_id))).one()
    if members:
        run.created += _give_out(run, members, last)
        run.cursor = last
    if members < chunk:
        run.status, run.finished_at = "done", clock.now()
    session.flush()
    outbox.emit(RunAdvanced(brand_id=run.brand_id, sop_id=run.sop_id, period=run.period))
    return True


def _give_out(run: SopRun, members: int, last: int) -> int:
    zone = ZoneInfo(org.brand(run.brand_id).timezone)
    steps = []
    for step in queries.steps_of(run.brand_id, run.sop_id, run.version):
        due = rules.due_at(run.as_of, zone, step.day_offset, step.local_time)
        deadline = due + timedelta(hours=step.deadline_hours)
        channel = rules.CHANNEL_OF[step.action]
        times = {"due_at": due.isoformat(), "deadline_at": deadline.isoformat()}
        steps.append({"step_id": step.step_id, "channel": channel, **times})
    chunk = {
        "steps": json.dumps(steps),
        "brand_id": run.brand_id,
        "segment_id": run.segment_id,
        "as_of": run.as_of,
        "after": run.cursor,
        "upto": last,
    }
    run.refused += session.scalar(_REFUSED, chunk) or 0
    result = session.execute(
        _INSERT,
        {
            **chunk,
            "ids": ids.new_ids(members * len(steps)),
            "sop_id": run.sop_id,
            "period": run.period,
            "correlation_id": run.correlation_id,
            "now": clock.now(),
        },
    )
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
