"""Sending files over HTTP: workers import them, progress and errors are read back, and only headquarters may."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from console_world import bearer, make_admins
from factories import make_world
from import_files import csv_of
from invariants import broken
from pyarrow import parquet
from sqlalchemy import func, select

from app.core.audit import AuditLog
from app.core.db import session
from app.imports.models import ImportChunk
from app.members.models import Member

HEAD = ["会员编号", "手机号", "姓名", "门店编码"]
ROWS = [
    {"会员编号": "M1", "手机号": "13911110001", "姓名": "王小美", "门店编码": "S001"},
    {"会员编号": "M2", "手机号": "13911110002", "姓名": "李雷", "门店编码": "S009"},
    {"会员编号": "M3", "手机号": "=cmd|1", "姓名": "@韩梅梅", "门店编码": "S002"},
]


@pytest.fixture
def world(app):  # type: ignore[no-untyped-def]
    return make_world()


def _sent(client, headers, body: bytes, kind: str = "members", **fields: str):  # type: ignore[no-untyped-def]
    data = {"kind": kind, "source": "erp", "file": (io.BytesIO(body), "会员.csv"), **fields}
    return client.post("/api/admin/v1/imports", headers=headers, data=data, content_type="multipart/form-data")


def test_a_file_is_taken_in_imported_by_workers_and_forgotten(app, client, world, run_work) -> None:
    headers = bearer(make_admins(world)["hq"])
    answer = _sent(client, headers, csv_of(HEAD, ROWS))
    assert answer.status_code == 202 and answer.json["status"] == "uploaded", answer.json
    sealed = session.scalars(select(ImportChunk.body)).one()
    assert "13911110001" not in sealed
    run_work()
    url = f"/api/admin/v1/imports/{answer.json['id']}"
    job = client.get(url, headers=headers).json
    assert (job["status"], job["read"], job["created"], job["refused"]) == ("done", 3, 1, 2)
    errors = client.get(f"{url}/errors", headers=headers).json["items"]
    assert [(one["row_no"], one["code"]) for one in errors] == [(3, "store_unknown"), (4, "phone_invalid")]
    assert errors[1]["values"] == {"phone": "=*****"}
    assert session.scalar(select(func.count()).select_from(ImportChunk)) == 0
    assert session.scalar(select(func.count()).select_from(Member)) == 1
    assert client.get("/api/admin/v1/imports", headers=headers).json["items"][0]["id"] == answer.json["id"]
    actions = session.scalars(select(AuditLog.action)).all()
    assert "import.start" in actions
    assert not broken("imports", "members", "identity", "core")


def test_the_error_table_runs_no_formula(app, client, world, run_work) -> None:
    headers = bearer(make_admins(world)["hq"])
    rows = [{"会员编号": "M1", "手机号": "13911110001", "姓名": "甲", "门店编码": "=1+1"}]
    sent = _sent(client, headers, csv_of(HEAD, rows)).json
    run_work()
    answer = client.get(f"/api/admin/v1/imports/{sent['id']}/errors.csv", headers=headers)
    text = answer.get_data(as_text=True)
    assert answer.mimetype == "text/csv" and text.startswith("\ufeff行号")
    line = text.splitlines()[1].split(",")
    assert line[0] == "2" and line[-1] == "'=1+1"


def test_a_wrong_header_is_answered_at_once(app, client, world) -> None:
    headers = bearer(make_admins(world)["hq"])
    answer = _sent(client, headers, csv_of(["姓名", "手机号"], [{"姓名": "甲"}]))
    assert (answer.status_code, answer.json["code"]) == (422, "import_header")
    assert answer.json["data"] == {"missing": ["source_id"]}
    assert _sent(client, headers, b"\x00\x01\x02 no table").json["code"] == "import_unreadable"
    assert _sent(client, headers, b"").json["code"] == "import_unreadable"
    assert _sent(client, headers, b"PAR1 but not").json["code"] == "import_unreadable"
    assert _sent(client, headers, csv_of(HEAD, ROWS), kind="cats").status_code == 422


def test_a_bomb_and_a_quote_without_end_are_refused(app, client, world) -> None:
    headers = bearer(make_admins(world)["hq"])
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["a" * 100_000]))
    bomb = io.BytesIO()
    parquet.write_table(pa.table({"phone": same, "source_id": same}), bomb)
    assert len(bomb.getvalue()) < 20_000, "and 4 GB of text"
    for body in (bomb.getvalue(), b'"' + b"a" * 200_000 + b'"\n1\n'):
        answer = _sent(client, headers, body)
        assert (answer.status_code, answer.json["code"]) == (422, "import_unreadable")
    assert session.scalar(select(func.count()).select_from(ImportChunk)) == 0


def test_the_same_file_is_not_begun_twice_while_it_is_open(app, client, world, run_work) -> None:
    headers = bearer(make_admins(world)["hq"])
    first, again = (_sent(client, headers, csv_of(HEAD, ROWS)).json for _ in range(2))
    assert first["id"] == again["id"]
    rehearsal = _sent(client, headers, csv_of(HEAD, ROWS), dry_run="true")
    assert (rehearsal.status_code, rehearsal.json["code"]) == (409, "import_open")
    run_work()
    later = _sent(client, headers, csv_of(HEAD, ROWS)).json
    assert later["id"] != first["id"]
    run_work()
    job = client.get(f"/api/admin/v1/imports/{later['id']}", headers=headers).json
    assert (job["created"], job["unchanged"]) == (0, 1)


def test_a_rehearsal_reports_and_writes_nothing(app, client, world, run_work) -> None:
    headers = bearer(make_admins(world)["hq"])
    sent = _sent(client, headers, csv_of(HEAD, ROWS), dry_run="true").json
    run_work()
    job = client.get(f"/api/admin/v1/imports/{sent['id']}", headers=headers).json
    assert (job["status"], job["dry_run"], job["created"], job["refused"]) == ("done", True, 1, 2)
    assert session.scalar(select(func.count()).select_from(Member)) == 0


def test_a_cancelled_import_stops_and_leaves_no_rows_behind(app, client, world, run_work) -> None:
    headers = bearer(make_admins(world)["hq"])
    sent = _sent(client, headers, csv_of(HEAD, ROWS)).json
    url = f"/api/admin/v1/imports/{sent['id']}/cancel"
    assert client.post(url, headers=headers).json["status"] == "cancelled"
    run_work()
    assert session.scalar(select(func.count()).select_from(Member)) == 0
    assert session.scalar(select(func.count()).select_from(ImportChunk)) == 0
    assert client.post(url, headers=headers).json["code"] == "import_closed"


def test_only_headquarters_of_the_brand_import(app, client, world) -> None:
    admins = make_admins(world)
    headers = bearer(admins["hq"])
    sent = _sent(client, headers, csv_of(HEAD, ROWS)).json
    for role in ("region", "dealer", "store"):
        assert _sent(client, bearer(admins[role]), csv_of(HEAD, ROWS)).status_code == 403
        assert client.get("/api/admin/v1/imports", headers=bearer(admins[role])).status_code == 403
    foreign = bearer(make_admins(make_world())["hq"])
    for path in ("", "/errors", "/errors.csv"):
        assert client.get(f"/api/admin/v1/imports/{sent['id']}{path}", headers=foreign).status_code == 404
    assert client.post(f"/api/admin/v1/imports/{sent['id']}/cancel", headers=foreign).status_code == 404
    assert client.get("/api/admin/v1/imports", headers=foreign).json["items"] == []


def test_errors_come_in_pages(app, client, world, run_work) -> None:
    headers = bearer(make_admins(world)["hq"])
    rows = [{"会员编号": f"M{n}", "手机号": "12", "姓名": "甲"} for n in range(45)]
    sent = _sent(client, headers, csv_of(HEAD, rows)).json
    run_work()
    seen, cursor = [], ""
    for _ in range(4):
        query = {"limit": 20, "cursor": cursor}
        page = client.get(f"/api/admin/v1/imports/{sent['id']}/errors", headers=headers, query_string=query).json
        seen += [one["row_no"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == list(range(2, 47)) and cursor is None


def test_files_may_be_large_and_other_bodies_not(app, client, world) -> None:
    headers = bearer(make_admins(world)["hq"])
    rows = ({"会员编号": f"M{n}", "手机号": f"139{n:08d}", "姓名": "很长的名字" * 3} for n in range(30_000))
    body = csv_of(HEAD, rows)
    assert len(body) > 1 << 20
    fields = {"kind": "members", "source": "erp"}
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    file = '--x\r\nContent-Disposition: form-data; name="file"; filename="m.csv"\r\n\r\n'
    form = "".join(parts).encode() + file.encode() + body + b"\r\n--x--\r\n"
    answer = client.post(
        "/api/admin/v1/imports", headers=headers, data=form, content_type="multipart/form-data; boundary=x"
    )
    assert answer.status_code == 202
    for path in ("login", "imports"):
        answer = client.post(f"/api/admin/v1/{path}", data=body, content_type="application/json")
        assert answer.status_code == 413, "and without a credential"


def test_a_template_has_the_columns_of_its_kind(app, client, world) -> None:
    headers = bearer(make_admins(world)["hq"])
    answer = client.get("/api/admin/v1/import-templates/order_lines.csv", headers=headers)
    assert answer.get_data(as_text=True).startswith("\ufeff订单号,门店编码,付款时间")
    assert client.get("/api/admin/v1/import-templates/cats.csv", headers=headers).status_code == 404
