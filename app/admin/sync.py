"""Reconciliations with WeCom, for headquarters: how they stand, what they found, starting and confirming one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import OneOf

from app.core import ids, paging
from app.core.fields import Page, PublicId
from app.core.transaction import reading, run
from app.flows.sync import runs
from app.flows.sync.models import SyncRun

from . import scope
from .blueprint import api
from .lists import PageIn


class StartIn(Schema):
    kind = fields.String(load_default="full", validate=OneOf(("full", "incremental")))


class RunOut(Schema):
    """`read` of `known` things were read so far, `left_out` of them WeCom refused. `counts` by what was compared:
    {seen, unchanged, changed, added, lost, refused}. A `waiting` run found so much gone that a person must confirm it.
    """

    id = PublicId("syn", attribute="run_id")
    kind = fields.String(metadata={"description": "full or incremental."})
    status = fields.String(metadata={"description": "running, waiting, done, failed or cancelled."})
    step = fields.String()
    counts = fields.Dict()
    read = fields.Integer()
    known = fields.Integer()
    left_out = fields.Integer()
    started_at = fields.AwareDateTime()
    moved_at = fields.AwareDateTime()
    finished_at = fields.AwareDateTime(allow_none=True)
    error = fields.String(allow_none=True)


class RunLineOut(RunOut):
    """One of a list."""


class RunsOut(Page):
    items = fields.List(fields.Nested(RunLineOut))


class DriftOut(Schema):
    """One difference. What people wrote (names, remarks) is shown as an ellipsis."""

    kind = fields.String(metadata={"description": "departments, staff, tags, follows or groups."})
    change = fields.String(metadata={"description": "added, changed or lost."})
    subject = fields.String()
    ours = fields.Dict()
    theirs = fields.Dict()
    repaired = fields.Boolean()
    read_at = fields.AwareDateTime()


class DriftsOut(Page):
    items = fields.List(fields.Nested(DriftOut))


@api.get("/sync-runs")
@api.input(PageIn, location="query", arg_name="asked")
@api.output(RunsOut)
@api.doc(summary="Reconciliations with WeCom", security="AdminToken", responses=[401, 403])
def sync_runs(asked: dict[str, Any]) -> dict[str, Any]:
    """Newest first."""
    return listed(asked["cursor"], asked["limit"])


@api.post("/sync-runs")
@api.input(StartIn, arg_name="given")
@api.output(RunOut, status_code=201)
@api.doc(summary="Start a reconciliation", security="AdminToken", responses=[401, 403, 404, 409])
def start_sync(given: dict[str, Any]) -> dict[str, Any]:
    """At most one runs at a time: `sync_running` while one does."""
    return started(given["kind"])


@api.get("/sync-runs/<run_id>")
@api.output(RunOut)
@api.doc(summary="One reconciliation", security="AdminToken", responses=[401, 403, 404])
def sync_run(run_id: str) -> dict[str, Any]:
    return shown(run_id)


@api.get("/sync-runs/<run_id>/drift")
@api.input(PageIn, location="query", arg_name="asked")
@api.output(DriftsOut)
@api.doc(summary="What a reconciliation found", security="AdminToken", responses=[401, 403, 404])
def sync_drift(run_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """In the order it was found; of a first run only the first few thousand."""
    return differences(run_id, asked["cursor"], asked["limit"])


@api.post("/sync-runs/<run_id>/confirm")
@api.output(RunOut)
@api.doc(summary="Confirm that what is gone is gone", security="AdminToken", responses=[401, 403, 404, 409])
def confirm_sync(run_id: str) -> dict[str, Any]:
    return confirmed(run_id)


@api.post("/sync-runs/<run_id>/cancel")
@api.output(RunOut)
@api.doc(summary="End a reconciliation where it stands", security="AdminToken", responses=[401, 403, 404])
def cancel_sync(run_id: str) -> dict[str, Any]:
    """What it has put right stays; what it missed is not taken for gone."""
    return cancelled(run_id)


def listed(cursor: str, limit: int) -> dict[str, Any]:
    """A page of runs, for the API and the console alike."""
    with reading():
        rows = runs.runs(scope.current().brand_id, before=paging.after_id(cursor), limit=limit + 1)
        page, next_cursor = paging.page(rows, limit, lambda row: (row.run_id,))
        return {"items": _lines(page), "next_cursor": next_cursor}


def shown(run_id: str) -> dict[str, Any]:
    with reading():
        return _lines([runs.run_of(scope.current().brand_id, ids.decode("syn", run_id))])[0]


def differences(run_id: str, cursor: str, limit: int) -> dict[str, Any]:
    me, number = scope.current(), ids.decode("syn", run_id)
    with reading():
        runs.run_of(me.brand_id, number)
        rows = runs.drift(me.brand_id, number, after=paging.after_id(cursor) or 0, limit=limit + 1)
        page, next_cursor = paging.page(rows, limit, lambda row: (row.drift_id,))
        return {"items": page, "next_cursor": next_cursor}


def started(kind: str) -> dict[str, Any]:
    me = scope.current()
    return run(lambda: _lines([runs.start(brand_id=me.brand_id, kind=kind, by=me.actor)])[0])


def confirmed(run_id: str) -> dict[str, Any]:
    me, number = scope.current(), ids.decode("syn", run_id)
    return run(lambda: _lines([runs.confirm(brand_id=me.brand_id, run_id=number, by=me.actor)])[0])


def cancelled(run_id: str) -> dict[str, Any]:
    me, number = scope.current(), ids.decode("syn", run_id)
    return run(lambda: _lines([runs.cancel(brand_id=me.brand_id, run_id=number, by=me.actor)])[0])


def _lines(rows: Sequence[SyncRun]) -> list[dict[str, Any]]:
    progress = runs.progress([row.run_id for row in rows])
    names = ("run_id", "kind", "status", "step", "counts", "started_at", "moved_at", "finished_at", "error")
    return [
        {name: getattr(row, name) for name in names}
        | dict(zip(("read", "known", "left_out"), progress.get(row.run_id, (0, 0, 0)), strict=True))
        for row in rows
    ]
