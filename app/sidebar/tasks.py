"""A guide's tasks: the list, one with everything it takes, and its completion."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range

from app.channels import queries as channels
from app.content import queries as content
from app.content.errors import MaterialUnknown
from app.core import ids, paging, transaction
from app.core.errors import Forbidden
from app.core.fields import Page, PublicId
from app.coupons import queries as coupons
from app.coupons.wording import offer
from app.org import queries as org
from app.sop import commands
from app.sop import queries as sop
from app.sop.errors import EvidenceInvalid, TaskUnknown
from app.sop.queries import TaskView

from . import auth
from .auth import GuideSession
from .blueprint import api
from .customer import Customer, CustomerUnknown, followed, values_for
from .materials import MaterialOut, appid_of, shown
from .shapes import TaskOut, task_view

PAGE = 20


class ManagersOnly(Forbidden):
    code, message = "managers_only", "Only the store's manager sees the tasks of the store."


class TasksIn(Schema):
    status = fields.String(load_default="open", validate=OneOf(["open", "done", "expired"]))
    of = fields.String(
        load_default="me", validate=OneOf(["me", "store"]), metadata={"description": "store: for its manager only."}
    )
    cursor = fields.String(load_default="", validate=Length(max=200))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))


class TaskLineOut(TaskOut):
    """`guide`: whose task it is, in the store's list."""

    guide = fields.String(allow_none=True)


class TasksOut(Page):
    items = fields.List(fields.Nested(TaskLineOut))


class PromiseOut(Schema):
    id = PublicId("cmp", attribute="campaign_id")
    name = fields.String()
    summary = fields.String()


class TaskCustomerOut(Schema):
    external_userid = fields.String()
    name = fields.String()
    avatar = fields.String(allow_none=True)


class TaskDetailOut(TaskOut):
    """`customer` is null when the guide does not follow the member in WeCom; `coupon`: given when the task is done."""

    customer = fields.Nested(TaskCustomerOut, allow_none=True)
    material = fields.Nested(MaterialOut, allow_none=True)
    coupon = fields.Nested(PromiseOut, allow_none=True)


class EvidenceIn(Schema):
    kind = fields.String(required=True, validate=OneOf(["sidebar_send", "note"]))
    msgtype = fields.String(validate=Length(max=20))
    external_userid = fields.String(validate=Length(max=128))
    note = fields.String(validate=Length(max=500))


class CompleteIn(Schema):
    evidence = fields.Nested(EvidenceIn, required=True)


class CompletedOut(Schema):
    """`new` is false when the task was done already; nothing is issued twice."""

    id = PublicId("tsk", attribute="task_id")
    status = fields.Constant("done")
    new = fields.Boolean()


@api.get("/tasks")
@api.input(TasksIn, location="query")
@api.output(TasksOut)
@api.doc(summary="My tasks", security=auth.SECURITY, responses=[401, 403])
def tasks(query_data: dict[str, Any]) -> dict[str, Any]:
    """Tasks that have come due, the guide's own or (for its manager) the store's: open and expired ones by deadline,
    done ones latest first.
    """
    guide, limit, status = auth.guide(), query_data["limit"], query_data["status"]
    of_store = query_data["of"] == "store"
    if of_store and guide.role != "store_manager":
        raise ManagersOnly()
    found = sop.due_tasks(
        brand_id=guide.brand_id,
        guide_id=None if of_store else guide.guide_id,
        store_id=guide.store_id if of_store else None,
        status=status,
        after=paging.after(query_data["cursor"]),
        limit=limit + 1,
    )
    shown_tasks, next_cursor = paging.page(found, limit, lambda one: (_listed_at(one, status), one.task_id))
    names = {one.id: one.name for one in org.guides_of_store(guide.store_id)} if of_store else {}
    items = [{**task_view(one), "guide": names.get(one.guide_id or 0)} for one in shown_tasks]
    return {"items": items, "next_cursor": next_cursor}


def _listed_at(task: TaskView, status: str) -> datetime:
    return task.done_at if status == "done" and task.done_at else task.deadline_at


@api.get("/tasks/<task_id>")
@api.output(TaskDetailOut)
@api.doc(summary="A task with what to say", security=auth.SECURITY, responses=[401, 404])
def task(task_id: str) -> dict[str, Any]:
    """What to do, for whom, with which words, and the coupon that completing it gives."""
    guide = auth.guide()
    found = _visible(guide, task_id)
    customer = _customer(guide, found)
    campaign = coupons.campaign(guide.brand_id, found.campaign_id) if found.campaign_id is not None else None
    terms = coupons.terms(guide.brand_id, campaign.campaign_id, campaign.version) if campaign else None
    values = values_for(guide, customer) | ({"coupon": campaign.name} if campaign else {})
    return {
        **task_view(found),
        "customer": None
        if customer is None
        else {
            "external_userid": customer.follow.external_userid,
            "name": customer.name,
            "avatar": customer.card.avatar if customer.card else None,
        },
        "material": _material(guide, found, values),
        "coupon": None
        if campaign is None or terms is None
        else {"campaign_id": campaign.campaign_id, "name": campaign.name, "summary": offer(terms)},
    }


@api.post("/tasks/<task_id>/complete")
@api.input(CompleteIn)
@api.output(CompletedOut)
@api.doc(summary="I have done it", security=auth.SECURITY, responses=[401, 404, 409])
def complete(task_id: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """Complete a task with its evidence: the send event of the sidebar for a message, a note for anything else.

    Doing it again changes nothing. A message must have gone to the task's own member.
    """
    guide, evidence = auth.guide(), json_data["evidence"]
    with transaction.reading():
        found = _visible(guide, task_id)
        if evidence["kind"] == "sidebar_send":
            to = followed(guide, evidence.get("external_userid", ""))
            if to.member is None or to.member.member_id != found.member_id:
                raise EvidenceInvalid("The message went to another customer.", needs="external_userid")
    done = transaction.run(
        lambda: commands.complete(
            brand_id=guide.brand_id, task_id=found.task_id, guide_id=guide.guide_id, evidence=evidence
        )
    )
    return {"task_id": done.task_id, "new": done.new}


def _visible(guide: GuideSession, task_id: str) -> TaskView:
    """The task, if it is the guide's own or of the store they manage."""
    found = sop.task(guide.brand_id, ids.decode("tsk", task_id))
    manages = guide.role == "store_manager" and found.store_id == guide.store_id
    if found.guide_id != guide.guide_id and not manages:
        raise TaskUnknown()
    return found


def _customer(guide: GuideSession, found: TaskView) -> Customer | None:
    for follow in channels.follows_of_person(found.person_id, brand_id=guide.brand_id, active=True):
        if (follow.corp_id, follow.userid) == (guide.corp_id, guide.userid):
            try:
                return followed(guide, follow.external_userid)
            except CustomerUnknown:
                return None
    return None


def _material(guide: GuideSession, found: TaskView, values: dict[str, str | None]) -> dict[str, Any] | None:
    if found.material_id is None:
        return None
    try:
        material = content.material(guide.brand_id, found.material_id, guide.store_id)
    except MaterialUnknown:
        return None
    return shown(material, values, appid_of(guide.brand_id))
