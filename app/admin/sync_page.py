"""The console's page 企微对账: runs with their progress, what they found, and the buttons to start and confirm one."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import SiyuError
from app.flows.sync.errors import SyncNotWaiting

from . import sync, sync_wording
from .console import console

RUNS, DIFFERENCES = 20, 50


@console.get("/sync")
def sync_list() -> ResponseReturnValue:
    return _runs()


@console.post("/sync")
def start_sync_on_page() -> ResponseReturnValue:
    kind = "incremental" if request.form.get("kind") == "incremental" else "full"
    try:
        sync.started(kind)
    except SiyuError as error:
        return _runs(failed=error.code), error.status
    return redirect(url_for("console.sync_list"))


@console.get("/sync/<run_id>")
def sync_page(run_id: str) -> str:
    return _run(run_id)


@console.post("/sync/<run_id>/confirm")
def confirm_sync_on_page(run_id: str) -> ResponseReturnValue:
    try:
        sync.confirmed(run_id)
    except SyncNotWaiting as error:
        return _run(run_id, failed=error.code), error.status
    return redirect(url_for("console.sync_page", run_id=run_id))


@console.post("/sync/<run_id>/cancel")
def cancel_sync_on_page(run_id: str) -> ResponseReturnValue:
    sync.cancelled(run_id)
    return redirect(url_for("console.sync_page", run_id=run_id))


def _runs(failed: str | None = None) -> str:
    found = sync.listed(request.args.get("cursor", "")[:200], RUNS)
    going = any(one["status"] in ("running", "waiting") for one in found["items"])
    return render_template("console/sync.html", **found, going=going, failed=failed, sync=sync_wording)


def _run(run_id: str, failed: str | None = None) -> str:
    return render_template(
        "console/sync_run.html",
        one=sync.shown(run_id),
        **sync.differences(run_id, request.args.get("cursor", "")[:200], DIFFERENCES),
        failed=failed,
        sync=sync_wording,
        run_id=run_id,
    )
