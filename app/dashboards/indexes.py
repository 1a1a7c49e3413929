"""Indexes that only managers' pages need: a day of a brand is found without reading its years."""

from __future__ import annotations

from sqlalchemy import Index

from app.channels.models import Follow
from app.coupons.models import Coupon
from app.sop.models import GuideTask

INDEXES = (
    Index("ix_follow_added_at", Follow.brand_id, Follow.added_at),
    Index("ix_coupon_claimed_at", Coupon.brand_id, Coupon.claimed_at),
    Index("ix_guide_task_created_at", GuideTask.brand_id, GuideTask.created_at),
    Index("ix_guide_task_due_at", GuideTask.brand_id, GuideTask.due_at, GuideTask.task_id),
    Index(
        "ix_guide_task_done_at", GuideTask.brand_id, GuideTask.done_at, postgresql_where=GuideTask.done_at.is_not(None)
    ),
)
