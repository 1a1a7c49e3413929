"""The console's pages about imports: send a file, watch it, read what was refused."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core import ids
from app.core.errors import SiyuError
from app.flows.imports.engine import ImportOpen
from app.imports.errors import FileUnreadable, HeaderWrong, JobClosed, NoCorp
from app.imports.wording import FIELD, KIND, STATUS

from . import imports
from .console import console

SHOWN = 50
_REFUSED: dict[type[SiyuError], str] = {
    FileUnreadable: "无法读取该文件，请上传 CSV（UTF-8 或 GB18030）或 Parquet 文件。",
    ImportOpen: "同一文件正在处理中，请等待完成后再提交。",
    JobClosed: "该导入已经结束。",
    NoCorp: "请先配置品牌的企业微信账号，再导入导购。",
}
_INCOMPLETE = "请选择文件和类型，并填写来源系统名称。"


@console.get("/imports", endpoint="imports")
def imports_page() -> str:
    return _page()


@console.post("/imports", endpoint="send_import")
def send_on_page() -> ResponseReturnValue:
    file = request.files.get("file")
    given: dict[str, Any] = {
        "file": file,
        "kind": request.form.get("kind", ""),
        "source": request.form.get("source", "").strip()[:40],
        "dry_run": request.form.get("dry_run") == "yes",
        "create_members": request.form.get("create_members") == "yes",
    }
    if file is None or not file.filename or given["kind"] not in KIND or not given["source"]:
        return _page(_INCOMPLETE), 422
    try:
        job = imports.sent(given)
    except HeaderWrong as error:
        return _page(_header(error)), error.status
    except tuple(_REFUSED) as error:
        return _page(_REFUSED[type(error)]), error.status
    return redirect(url_for("console.one_import", import_id=ids.encode("imp", job["job_id"])))


@console.get("/imports/<import_id>", endpoint="one_import")
def import_page(import_id: str) -> str:
    job = imports.found(import_id)
    errors = imports.errors_of(job, request.args.get("cursor", "")[:200], SHOWN)
    return render_template(
        "console/import.html", one=imports.as_told(job), errors=errors, kinds=KIND, statuses=STATUS, names=FIELD
    )


@console.post("/imports/<import_id>", endpoint="cancel_import")
def cancel_on_page(import_id: str) -> ResponseReturnValue:
    try:
        imports.cancelled(import_id)
    except JobClosed:
        pass  # it ended while the button was pressed; the page says so
    return redirect(url_for("console.one_import", import_id=import_id))


@console.get("/imports/<import_id>/errors.csv", endpoint="import_error_table")
def error_table(import_id: str) -> Response:
    return imports.error_table(import_id)


@console.get("/import-templates/<kind>.csv", endpoint="import_template")
def template(kind: str) -> Response:
    return imports.empty_table(kind)


def _page(refused: str = "") -> str:
    found = imports.listed(request.args.get("cursor", "")[:200])
    return render_template("console/imports.html", refused=refused, kinds=KIND, statuses=STATUS, **found)


def _header(error: HeaderWrong) -> str:
    words = {"missing": "缺少列", "doubled": "重复的列", "unknown": "无法识别的列"}
    parts = [
        f"{word}：{'、'.join(FIELD.get(name, name) for name in error.data[what])}"
        for what, word in words.items()
        if what in error.data
    ]
    return f"表头不正确，{'；'.join(parts)}。请下载模板核对。"
