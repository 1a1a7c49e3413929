"""Reads of playbooks: SOPs, their versions and steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from app.core.db import session

from ..models import Sop, SopStep, SopVersion


@dataclass(frozen=True)
class Scheduled:
    """An active SOP that runs over a segment; `trigger` as in models.SopVersion."""

    brand_id: int
    sop_id: int
    version: int
    trigger: dict[str, Any]


def scheduled() -> list[Scheduled]:
    """Active SOPs of all brands that run over a segment."""
    rows = session.execute(
        select(Sop.brand_id, Sop.sop_id, Sop.version, SopVersion.trigger)
        .join(SopVersion, _present_version())
        .where(Sop.status == "active", SopVersion.trigger.has_key("segment_id"))
        .order_by(Sop.brand_id, Sop.sop_id)
    )
    return [Scheduled(*row) for row in rows]


def steps_for_event(brand_id: int, event: str) -> list[SopStep]:
    """The steps of every active SOP that an event triggers, in order."""
    return list(
        session.scalars(
            select(SopStep)
            .join(Sop, and_(Sop.brand_id == SopStep.brand_id, Sop.sop_id == SopStep.sop_id))
            .join(SopVersion, _present_version())
            .where(
                SopStep.brand_id == brand_id,
                SopStep.version == Sop.version,
                Sop.status == "active",
                SopVersion.trigger["event"].astext == event,
            )
            .order_by(SopStep.sop_id, SopStep.step_no)
        )
    )


def steps_of(brand_id: int, sop_id: int, version: int) -> list[SopStep]:
    return list(
        session.scalars(
            select(SopStep)
            .where(SopStep.brand_id == brand_id, SopStep.sop_id == sop_id, SopStep.version == version)
            .order_by(SopStep.step_no)
        )
    )


def _present_version() -> ColumnElement[bool]:
    return and_(SopVersion.brand_id == Sop.brand_id, SopVersion.sop_id == Sop.sop_id, SopVersion.version == Sop.version)
