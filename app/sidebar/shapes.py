"""Fields and small views that several answers of the sidebar API have in common."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields

from app.core.fields import PublicId
from app.sop.queries import TaskView


class TaskOut(Schema):
    id = PublicId("tsk", attribute="task_id")
    title = fields.String()
    sop = fields.String(attribute="sop_name")
    action = fields.String(metadata={"description": "message, call or invite."})
    status = fields.String(metadata={"description": "open, done, expired or cancelled."})
    overdue = fields.Boolean()
    due_at = fields.AwareDateTime()
    deadline_at = fields.AwareDateTime()
    done_at = fields.AwareDateTime(allow_none=True)
    has_coupon = fields.Boolean()
    member_id = PublicId("mbr")
    member_name = fields.String()


class MessageOut(Schema):
    """What the page hands to `ww.sendChatMessage` as it is."""

    msgtype = fields.String()
    text = fields.Dict()
    news = fields.Dict()
    miniprogram = fields.Dict()


def task_view(task: TaskView) -> dict[str, Any]:
    """A task as lists show it; a member without a name is called by the end of their phone number."""
    tail = f"会员 尾号{task.phone_tail}" if task.phone_tail else "会员"
    return {
        **vars(task),
        "overdue": task.overdue,
        "has_coupon": task.campaign_id is not None,
        "member_name": task.member_name or tail,
    }
