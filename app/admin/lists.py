"""Tasks, campaigns and SOPs."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range

from app.core import paging
from app.core.fields import Page, PublicId
from app.dashboards.queries import lists as queries

from . import scope
from .blueprint import api

PAGE = 50


class PageIn(Schema):
    cursor = fields.String(load_default="", validate=Length(max=200))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))


class TasksIn(PageIn):
    status = fields.String(load_default=None, allow_none=True, validate=OneOf(queries.TASK_STATUSES))


class TaskOut(Schema):
    id = PublicId("tsk", attribute="task_id")
    title = fields.String()
    sop = fields.String(attribute="sop_name")
    member = PublicId("mbr", attribute="member_id")
    member_name = fields.String(attribute="member", metadata={"description": "Masked."})
    guide = fields.String(attribute="guide_name")
    store = fields.String(attribute="store_name")
    status = fields.String()
    due_at = fields.AwareDateTime()
    deadline_at = fields.AwareDateTime()
    done_at = fields.AwareDateTime(allow_none=True)


class TasksOut(Page):
    items = fields.List(fields.Nested(TaskOut))


class CampaignOut(Schema):
    """Stock and budget are the brand's; `redeemed` and `discount_fen` are those of the caller's stores."""

    id = PublicId("cmp", attribute="campaign_id")
    code = fields.String()
    name = fields.String()
    kind = fields.String()
    status = fields.String()
    claimable = fields.Boolean()
    quota = fields.Integer()
    issued = fields.Integer()
    budget_fen = fields.Integer(allow_none=True)
    spent_fen = fields.Integer()
    redeemed = fields.Integer()
    discount_fen = fields.Integer()
    currency = fields.Constant("CNY")


class CampaignsOut(Page):
    items = fields.List(fields.Nested(CampaignOut))


class SopOut(Schema):
    id = PublicId("sop", attribute="sop_id")
    code = fields.String()
    name = fields.String()
    status = fields.String()
    version = fields.Integer()
    steps = fields.Integer()
    open = fields.Integer()
    done = fields.Integer()
    expired = fields.Integer()
    refused = fields.Integer(metadata={"description": "Tasks left out of runs: the member wants no advertising there."})
    done_bp = fields.Integer(metadata={"description": "Done of all tasks, in basis points."})


class SopsOut(Page):
    items = fields.List(fields.Nested(SopOut))


@api.get("/tasks")
@api.input(TasksIn, location="query", arg_name="asked")
@api.output(TasksOut)
@api.doc(summary="Guides' tasks in the caller's stores", security="AdminToken", responses=[401, 403])
def tasks(asked: dict[str, Any]) -> dict[str, Any]:
    """By due time, newest first."""
    return listed_tasks(asked["status"], asked["cursor"], asked["limit"])


@api.get("/campaigns")
@api.output(CampaignsOut)
@api.doc(summary="Coupon campaigns with their stock", security="AdminToken", responses=[401, 403])
def campaigns() -> dict[str, Any]:
    return {"items": queries.campaigns(scope.current().reach), "next_cursor": None}


@api.get("/sops")
@api.output(SopsOut)
@api.doc(summary="SOPs and how their tasks fare", security="AdminToken", responses=[401, 403])
def sops() -> dict[str, Any]:
    return {"items": queries.sops(scope.current().reach), "next_cursor": None}


def listed_tasks(status: str | None, cursor: str, limit: int = PAGE) -> dict[str, Any]:
    """A page of tasks, for the API and the console alike."""
    lines = queries.tasks(scope.current().reach, status=status, after=paging.after(cursor), limit=limit + 1)
    shown, next_cursor = paging.page(lines, limit, lambda line: (line.due_at, line.task_id))
    return {"items": shown, "next_cursor": next_cursor}
