"""A guide completed a step that promises a coupon: the member gets it, once a task."""

from __future__ import annotations

from app.core import log
from app.coupons import commands as coupons
from app.coupons.errors import LimitReached
from app.sop.events import TaskCompleted

_log = log.get("step_coupon")


def issue(event: TaskCompleted) -> None:
    """Issue the step's coupon. A member who has all this campaign allows is served; sold out needs a human."""
    if event.campaign_id is None or event.member_id is None:
        return
    try:
        coupons.issue(
            brand_id=event.brand_id,
            member_id=event.member_id,
            campaign_id=event.campaign_id,
            source="sop",
            source_ref=f"task:{event.task_id}",
            guide_id=event.guide_id,
            store_id=event.store_id,
        )
    except LimitReached:
        _log.info("the member has all coupons of the campaign", task=event.task_id, campaign=event.campaign_id)
