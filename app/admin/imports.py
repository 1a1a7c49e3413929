"""Bulk imports: send a file, watch it being imported, read which rows were refused and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range
from flask import Response

from app.core import audit, http, ids, paging
from app.core.errors import Invalid
from app.core.fields import Page, PublicId
from app.core.sheets import csv_of
from app.core.transaction import transaction
from app.flows.imports import engine, reader
from app.imports import commands, queries
from app.imports.errors import JobUnknown
from app.imports.models import KINDS, STATUSES, ImportJob, RowError
from app.imports.rules import template

from . import scope
from .blueprint import api
from .lists import PAGE, PageIn

MOST_BYTES = 200 << 20
http.LARGE_BODIES |= {"admin.send_import": MOST_BYTES, "console.send_import": MOST_BYTES}


class ImportIn(Schema):
    file = fields.File(required=True, metadata={"description": "CSV (UTF-8 or GB18030) or Parquet, up to 200 MiB."})
    kind = fields.String(required=True, validate=OneOf(KINDS))
    source = fields.String(
        required=True,
        validate=Length(1, 40),
        metadata={"description": "Name of the other system. With it, its own ids are told apart: the same id is once."},
    )
    dry_run = fields.Boolean(load_default=False, metadata={"description": "Check, and write nothing but the report."})
    create_members = fields.Boolean(
        load_default=False, metadata={"description": "Make members of phones of orders that nobody has."}
    )


class ImportOut(Schema):
    """`cursor` is the number of the last row dealt with, `rows` that of the file's last row."""

    id = PublicId("imp", attribute="job_id")
    kind = fields.String()
    source = fields.String()
    filename = fields.String()
    format = fields.String()
    size = fields.Integer()
    status = fields.String(metadata={"enum": list(STATUSES)})
    dry_run = fields.Boolean()
    rows = fields.Integer(allow_none=True)
    cursor = fields.Integer()
    read = fields.Integer()
    created = fields.Integer()
    updated = fields.Integer()
    unchanged = fields.Integer()
    refused = fields.Integer()
    last_error = fields.String(allow_none=True)
    created_at = fields.AwareDateTime()
    started_at = fields.AwareDateTime(allow_none=True)
    finished_at = fields.AwareDateTime(allow_none=True)
    correlation_id = fields.String()


class ImportLineOut(ImportOut):
    """One of a list."""


class ImportsOut(Page):
    items = fields.List(fields.Nested(ImportLineOut))


class RowErrorOut(Schema):
    """`message` is Simplified Chinese; personal values are masked."""

    row_no = fields.Integer()
    code = fields.String()
    field = fields.String()
    message = fields.String()
    values = fields.Dict()


class RowErrorsOut(Page):
    items = fields.List(fields.Nested(RowErrorOut))


class RowErrorsIn(Schema):
    cursor = fields.String(load_default="", validate=Length(max=200))
    limit = fields.Integer(load_default=100, validate=Range(20, 500))


@api.get("/imports")
@api.input(PageIn, location="query", arg_name="asked")
@api.output(ImportsOut)
@api.doc(summary="Imports, newest first", security="AdminToken", responses=[401, 403])
def imports(asked: dict[str, Any]) -> dict[str, Any]:
    return listed(asked["cursor"], asked["limit"])


@api.post("/imports")
@api.input(ImportIn, location="form_and_files", arg_name="given")
@api.output(ImportOut, status_code=202)
@api.doc(summary="Send a file to be imported", security="AdminToken", responses=[401, 403, 409, 413])
def send_import(given: dict[str, Any]) -> dict[str, Any]:
    """The file is read and its header checked at once; workers import it. The same file, while it is open, is found.

    422 `import_header` says which columns are missing, `import_unreadable` that it is no table.
    """
    return sent(given)


@api.get("/imports/<import_id>")
@api.output(ImportOut)
@api.doc(summary="One import and how far it has come", security="AdminToken", responses=[401, 403, 404])
def one_import(import_id: str) -> dict[str, Any]:
    return as_told(found(import_id))


@api.get("/imports/<import_id>/errors")
@api.input(RowErrorsIn, location="query", arg_name="asked")
@api.output(RowErrorsOut)
@api.doc(summary="Refused rows, by number", security="AdminToken", responses=[401, 403, 404])
def import_errors(import_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    return errors_of(found(import_id), asked["cursor"], asked["limit"])


@api.get("/imports/<import_id>/errors.csv")
@api.doc(
    summary="Refused rows as a table for spreadsheets",
    security="AdminToken",
    responses={200: "A CSV file.", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"},
)
def import_error_table(import_id: str) -> Response:
    """CSV in UTF-8 with a byte-order mark; no cell can run as a formula."""
    return error_table(import_id)


@api.post("/imports/<import_id>/cancel")
@api.output(ImportOut)
@api.doc(summary="Stop an import", security="AdminToken", responses=[401, 403, 404, 409])
def cancel_import(import_id: str) -> dict[str, Any]:
    """What was imported stays. 409 `import_closed` when it has ended."""
    return as_told(cancelled(import_id))


@api.get("/import-templates/<kind>.csv")
@api.doc(
    summary="An empty file of a kind",
    security="AdminToken",
    responses={200: "A CSV file.", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"},
)
def import_template(kind: str) -> Response:
    return empty_table(kind)


def listed(cursor: str, limit: int = PAGE) -> dict[str, Any]:
    """A page of imports, for the API and the console alike."""
    jobs = queries.jobs(scope.current().brand_id, before=paging.after_id(cursor), limit=limit + 1)
    shown, next_cursor = paging.page(jobs, limit, lambda job: (job.job_id,))
    return {"items": [as_told(job) for job in shown], "next_cursor": next_cursor}


def found(import_id: str) -> ImportJob:
    """The brand's import of a public id, or JobUnknown."""
    return queries.job(scope.current().brand_id, ids.decode("imp", import_id))


def sent(given: Mapping[str, Any]) -> dict[str, Any]:
    """Take a file in: look at it, store its rows for the workers, note who sent it."""
    me, file = scope.current(), given["file"]
    source = str(given["source"]).strip()
    if not source or not source.isprintable():
        raise Invalid("The source needs a name.", field="source")
    with closing(file):  # what came is a temporary file when it is large
        opened = reader.inspect(file.stream, given["kind"])
        with transaction():
            job, new = engine.begin(
                brand_id=me.brand_id,
                kind=given["kind"],
                source=source,
                opened=opened,
                filename=file.filename or "",
                created_by=me.actor,
                dry_run=given["dry_run"],
                create_members=given["create_members"],
            )
            if new:
                engine.keep(job, file.stream, opened)
                subject = ids.encode("imp", job.job_id)
                told = {"kind": job.kind, "dry_run": given["dry_run"]}
                audit.record(actor=me.actor, action="import.start", subject=subject, **told)
    return as_told(queries.job(me.brand_id, job.job_id))


def cancelled(import_id: str) -> ImportJob:
    """Stop an import and note who did."""
    me, job = scope.current(), found(import_id)
    with transaction():
        commands.cancel(job_id=job.job_id)
        audit.record(actor=me.actor, action="import.cancel", subject=ids.encode("imp", job.job_id))
    return queries.job(me.brand_id, job.job_id)


def errors_of(job: ImportJob, cursor: str, limit: int) -> dict[str, Any]:
    """A page of refused rows; a row's errors stand on one page."""
    page = queries.errors(job.job_id, after=paging.after_id(cursor), limit=limit + 1)
    whole = queries.whole_rows(page, limit + 1)
    more = len(page) > limit
    _, next_cursor = (
        paging.page([*whole, *whole[-1:]], len(whole), lambda one: (one.row_no,)) if more else (whole, None)
    )
    return {"items": whole, "next_cursor": next_cursor}


def error_table(import_id: str) -> Response:
    """All refused rows as CSV."""
    job = found(import_id)
    columns = ("行号", "错误代码", "字段", "说明", "内容")
    return _table(csv_of(columns, _lines(job.job_id)), f"import-errors-{import_id}.csv")


def empty_table(kind: str) -> Response:
    """The header of a kind's file."""
    if kind not in KINDS:
        raise JobUnknown()
    return _table(csv_of(template(kind), ()), f"{kind}.csv")


def as_told(job: ImportJob) -> dict[str, Any]:
    """A job as the API answers and the page shows it."""
    names = [name for name in ImportOut().fields if name not in ("id", "dry_run")]
    return {
        **{name: getattr(job, name) for name in names},
        "job_id": job.job_id,
        "dry_run": bool(job.options.get("dry_run")),
    }


def _lines(job_id: int) -> Iterator[dict[str, Any]]:
    one: RowError
    for one in queries.all_errors(job_id):
        shown = "；".join(str(value) for value in one.values.values() if value is not None)
        yield {"行号": one.row_no, "错误代码": one.code, "字段": one.field, "说明": one.message, "内容": shown}


def _table(text: str, filename: str) -> Response:
    response = Response(text, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
