"""Fields and small views that several answers of the sidebar API have in common."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from apiflask import Schema, fields

from app.core import ids
from app.core.errors import Invalid
from app.sop.queries import TaskView


class CursorInvalid(Invalid):
    code, message = "cursor_invalid", "The cursor is not one that a list answered with."


class PublicId(fields.String):
    """An id in its public spelling, for example `tsk_0000000000005`."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else ids.encode(self.prefix, value)


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


def encode_cursor(at: datetime, row_id: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), row_id]).encode()).decode()


def decode_cursor(cursor: str) -> tuple[datetime, int] | None:
    """The row after which the page begins; None for the first page."""
    if not cursor:
        return None
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        place = datetime.fromisoformat(at)
    except (ValueError, TypeError, binascii.Error) as error:
        raise CursorInvalid() from error
    if type(row_id) is not int or abs(row_id) >= 1 << 63 or place.tzinfo is None:
        raise CursorInvalid()
    return place, row_id
