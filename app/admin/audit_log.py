"""The audit log, for headquarters: who did what to whom, newest first."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, Range
from flask import render_template, request

from app.core import audit, ids, paging
from app.core.errors import NotFound
from app.core.fields import Page
from app.org import queries as org

from . import audit_wording, scope
from .blueprint import api
from .console import console

PAGE = 50


class LogIn(Schema):
    cursor = fields.String(load_default="", validate=Length(max=200))
    limit = fields.Integer(load_default=PAGE, validate=Range(1, 100))
    actor = fields.String(load_default="", validate=Length(max=60), metadata={"description": "A public id."})
    subject = fields.String(load_default="", validate=Length(max=60), metadata={"description": "A public id."})


class EntryOut(Schema):
    at = fields.AwareDateTime()
    actor = fields.String()
    actor_name = fields.String()
    action = fields.String()
    subject = fields.String()
    data = fields.Dict()
    correlation_id = fields.String()


class EntriesOut(Page):
    items = fields.List(fields.Nested(EntryOut))


@api.get("/audit")
@api.input(LogIn, location="query", arg_name="asked")
@api.output(EntriesOut)
@api.doc(summary="The audit log", security="AdminToken", responses=[401, 403])
def audit_log(asked: dict[str, Any]) -> dict[str, Any]:
    return listed(**asked)


@console.get("/audit", endpoint="audit_log")
def page() -> str:
    actor, subject = (request.args.get(name, "").strip()[:60] for name in ("actor", "subject"))
    try:
        found = listed(request.args.get("cursor", "")[:200], PAGE, actor, subject)
    except NotFound:
        found = {"items": [], "next_cursor": None}
    return render_template("console/audit.html", actor=actor, subject=subject, told=audit_wording, **found)


def listed(cursor: str, limit: int, actor: str, subject: str) -> dict[str, Any]:
    """A page of the log. A brand's user sees what the brand's own people did; the group's sees everything."""
    names = {ids.encode("adm", user.id): user.name for user in org.admin_users(scope.current().brand_id)}
    rows = audit.entries(
        actors=_actors(actor, set(names)), subject=subject, before=paging.after_id(cursor), limit=limit + 1
    )
    shown, next_cursor = paging.page(rows, limit, lambda row: (row.id,))
    items = [
        {name: getattr(row, name) for name in ("at", "actor", "action", "subject", "data", "correlation_id")}
        | {"actor_name": names.get(row.actor, "")}
        for row in shown
    ]
    return {"items": items, "next_cursor": next_cursor}


def _actors(wanted: str, own: set[str]) -> set[str] | None:
    me = scope.current()
    if me.group:
        return {wanted} if wanted else None
    if not wanted:
        return own
    if wanted in own or _is_own_guide(wanted, me.brand_id):
        return {wanted}
    raise NotFound()


def _is_own_guide(actor: str, brand_id: int) -> bool:
    if not actor.startswith("gde_"):
        return False
    guide = org.guide(ids.decode("gde", actor))
    return guide is not None and guide.brand_id == brand_id
