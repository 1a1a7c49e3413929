"""A guide completed a step that promises a coupon: the member gets it, once a task."""

from __future__ import annotations

from app.sop.events import TaskCompleted

from . import owed_coupons


def issue(event: TaskCompleted) -> None:
    """Give the member the step's coupon, if it has one."""
    if event.campaign_id is None or event.member_id is None:
        return
    owed_coupons.give(
        brand_id=event.brand_id,
        member_id=event.member_id,
        campaign_id=event.campaign_id,
        source="sop",
        source_ref=f"task:{event.task_id}",
        guide_id=event.guide_id,
        store_id=event.store_id,
    )
