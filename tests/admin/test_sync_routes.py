"""Reconciliation as headquarters sees it: the API, the page, and the command line."""

from __future__ import annotations

import re
from typing import Any

import pytest
from console_world import bearer, make_admins
from factories import make_world
from sqlalchemy import text
from tencent import Tencent
from wecom_day import Day

from app.core import audit
from app.core.db import session
from app.core.transaction import transaction
from app.flows.sync.steps import losses

API = "/api/admin/v1/sync-runs"


@pytest.fixture
def users(tencent: Tencent) -> Any:
    return make_admins(tencent.world)


@pytest.fixture
def hq(users: Any) -> dict[str, str]:
    return bearer(users["hq"])


@pytest.fixture
def day(tencent: Tencent) -> Day:
    made = Day(tencent, seed=3, customers=20)
    made.play(30, lost=1.0)
    return made


def test_a_run_from_start_to_its_differences(client, day, tencent, hq, run_work) -> None:
    started = client.post(API, json={}, headers=hq)
    assert started.status_code == 201 and started.json["status"] == "running"
    again = client.post(API, json={"kind": "incremental"}, headers=hq)
    assert again.status_code == 409 and again.json["code"] == "sync_running"
    run_work()
    run_id = started.json["id"]
    done = client.get(f"{API}/{run_id}", headers=hq).json
    follows = len(tencent.engine.world.follows)
    assert done["status"] == "done" and done["counts"]["follows"]["added"] == follows
    assert done["read"] == done["known"] and done["left_out"] == 0
    first = client.get(f"{API}/{run_id}/drift", query_string={"limit": 5}, headers=hq).json
    rest = client.get(f"{API}/{run_id}/drift", query_string={"cursor": first["next_cursor"]}, headers=hq).json
    assert len(first["items"]) == 5 and rest["items"]
    found = first["items"] + rest["items"]
    assert {one["kind"] for one in found} >= {"departments", "staff", "tags"}
    assert all(one["repaired"] for one in found)
    assert "顾客" not in str(found) and "备注" not in str(found) and "导购" not in str(found)
    with transaction():
        actions = [row.action for row in session.query(audit.AuditLog)]
    assert actions == ["sync.started"]
    gauges = client.get("/metrics").get_data(as_text=True)
    assert f'siyu_sync_drift{{change="added",thing="follows"}} {follows}.0' in gauges


def test_lists_page_by_page_and_only_the_brands(client, day, users, hq, run_work) -> None:
    for _ in range(3):
        client.post(API, json={"kind": "incremental"}, headers=hq)
        run_work()
    first = client.get(API, query_string={"limit": 2}, headers=hq).json
    rest = client.get(API, query_string={"cursor": first["next_cursor"]}, headers=hq).json
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)
    other = bearer(make_admins_of_another_brand())
    assert client.get(API, headers=other).json["items"] == []
    run_id = first["items"][0]["id"]
    for path in (f"{API}/{run_id}", f"{API}/{run_id}/drift"):
        assert client.get(path, headers=other).status_code == 404
    for what in ("confirm", "cancel"):
        assert client.post(f"{API}/{run_id}/{what}", headers=other).status_code == 404
    assert client.get(f"{API}/nothing", headers=hq).status_code == 404
    for role in ("region", "dealer", "store"):
        assert client.get(API, headers=bearer(users[role])).status_code == 403
        assert client.post(API, json={}, headers=bearer(users[role])).status_code == 403
        assert client.get("/console/sync", headers=bearer(users[role])).status_code == 403


def make_admins_of_another_brand() -> Any:
    return make_admins(make_world())["hq"]


def test_the_page_starts_shows_and_confirms(client, day, tencent, hq, run_work, monkeypatch) -> None:
    assert "还没有对账记录" in client.get("/console/sync", headers=hq).get_data(as_text=True)
    assert client.post("/console/sync", data={"kind": "full"}, headers=hq).status_code == 302
    refused = client.post("/console/sync", data={"kind": "full"}, headers=hq)
    assert refused.status_code == 409 and "已有对账正在进行" in refused.get_data(as_text=True)
    going = client.get("/console/sync", headers=hq).get_data(as_text=True)
    assert "进行中" in going and 'hx-trigger="every 3s"' in going
    run_work()
    done = client.get("/console/sync", headers=hq).get_data(as_text=True)
    assert "已完成" in done and "hx-trigger" not in done
    # A visible range narrowed by mistake: everybody seems gone.
    monkeypatch.setattr(losses, "FEW", 1)
    gone = list(tencent.engine.world.follows)
    for follow in gone:
        tencent.engine.world.drop_follow(follow)
    age_follows()
    client.post("/console/sync", data={"kind": "full"}, headers=hq)
    run_work()
    listed = client.get("/console/sync", headers=hq).get_data(as_text=True)
    assert "待确认" in listed
    run_id = re.search(r"/console/sync/(syn_[0-9a-z]+)", listed).group(1)
    page = client.get(f"/console/sync/{run_id}", headers=hq).get_data(as_text=True)
    assert "企业微信中查不到的数据过多" in page and "未处理" in page and gone[0].external_userid in page
    assert client.post(f"/console/sync/{run_id}/confirm", headers=hq).status_code == 302
    assert client.post(f"/console/sync/{run_id}/confirm", headers=hq).status_code == 409
    run_work()
    page = client.get(f"/console/sync/{run_id}", headers=hq).get_data(as_text=True)
    assert "已完成" in page and "未处理" not in page
    assert client.post(f"/console/sync/{run_id}/cancel", headers=hq).status_code == 302


def age_follows() -> None:
    with transaction():
        session.execute(text("UPDATE follow SET changed_at = changed_at - interval '2 days', told_at = NULL"))


def test_the_command_line(app, day, tencent, run_work) -> None:
    runner, brand = app.test_cli_runner(), tencent.world.brand.code
    started = runner.invoke(args=["sync", "run", "--brand", brand])
    assert started.exit_code == 0, started.output
    run_id = started.output.split()[0]
    assert runner.invoke(args=["sync", "run", "--brand", brand]).exit_code == 1
    run_work()
    status = runner.invoke(args=["sync", "status", "--brand", brand]).output
    assert run_id in status and "done" in status and "follows" in status
    drift = runner.invoke(args=["sync", "drift", run_id, "--brand", brand])
    assert drift.exit_code == 0 and "added" in drift.output and "顾客" not in drift.output
    assert runner.invoke(args=["sync", "confirm", run_id, "--brand", brand]).exit_code == 1
    assert runner.invoke(args=["sync", "cancel", run_id, "--brand", brand]).exit_code == 0
    assert runner.invoke(args=["sync", "drift", "nothing", "--brand", brand]).exit_code == 1
    assert runner.invoke(args=["sync", "run", "--brand", "none"]).exit_code == 1
