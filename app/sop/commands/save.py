"""Write a SOP: every saving makes a new version, tasks already given keep theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from app.content import queries as content
from app.core import ids
from app.core.db import session
from app.segments import queries as segments

from .. import rules
from ..errors import SopInvalid
from ..models import Sop, SopStep, SopVersion


def save(
    *,
    brand_id: int,
    code: str,
    name: str,
    trigger: Mapping[str, Any],
    steps: Sequence[rules.Step],
    assignment: Mapping[str, Any] | None = None,
    status: str = "active",
) -> int:
    """Create the SOP called `code` or give it a new version; returns its id.

    The segment and the material it names must exist.
    """
    rules.check_trigger(trigger)
    hours = rules.check_assignment(assignment or {})
    if not 0 < len(steps) <= rules.MAX_STEPS or not name:
        raise SopInvalid(field="steps", limit=rules.MAX_STEPS)
    for step in steps:
        rules.check_step(step)
        if step.material_id is not None:
            content.material(brand_id, step.material_id)
    if "segment_id" in trigger:
        segments.segment(brand_id, trigger["segment_id"])

    written = insert(Sop).values(brand_id=brand_id, sop_id=ids.new_id(), code=code, name=name, status=status, version=1)
    sop_id, version = session.execute(
        written.on_conflict_do_update(
            index_elements=["brand_id", "code"], set_={"name": name, "status": status, "version": Sop.version + 1}
        ).returning(Sop.sop_id, Sop.version)
    ).one()
    session.add(SopVersion(brand_id=brand_id, sop_id=sop_id, version=version, trigger=dict(trigger), assignment=hours))
    for number, (step_id, step) in enumerate(zip(ids.new_ids(len(steps)), steps, strict=True), 1):
        session.add(
            SopStep(
                brand_id=brand_id,
                step_id=step_id,
                sop_id=sop_id,
                version=version,
                step_no=number,
                day_offset=step.day_offset,
                local_time=step.local_time,
                action=step.action,
                title=step.title,
                material_id=step.material_id,
                campaign_id=step.campaign_id,
                deadline_hours=step.deadline_hours,
            )
        )
    session.flush()
    return int(sop_id)
