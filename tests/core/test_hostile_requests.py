"""What a hostile or broken caller sends, and what is answered while the database is away: never 500."""

from __future__ import annotations

import time

import pytest
from factories import PASSWORD, make_world
from redis import Redis
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from app.admin import auth
from app.core import ids, redis, tokens
from app.core.db import db, session

LOGIN = "/api/miniapp/v1/login"


def _json(client, path: str, body: bytes):  # type: ignore[no-untyped-def]
    answer = client.post(path, data=body, content_type="application/json")
    return answer.status_code, answer.json["code"]


@pytest.mark.parametrize("odd", [rb"\u0000", rb"\ud800"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (LOGIN, b'{"appid": "wx%s", "code": "c"}'),
        ("/api/admin/v1/login", b'{"login": "a%s", "password": "p"}'),
    ],
)
def test_what_is_not_text_is_refused(client, path, body, odd):
    assert _json(client, path, body % odd) == (400, "not_text")


@pytest.mark.parametrize("path", ["/hooks/wecom/a%00", "/hooks/miniprogram/a%00", "/api/admin/v1/trace/cor_%00"])
def test_nul_in_a_path_is_refused(client, path):
    world = make_world()
    token, _ = auth.token_of(world.admin)
    answer = client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["code"]) == (400, "not_text")


def test_nul_in_a_guides_query_is_refused(app):
    world = make_world()
    token, _ = tokens.issue("sidebar", {"sub": ids.encode("gde", world.guide.id)})
    client = app.test_client(use_cookies=False)
    answer = client.get("/api/sidebar/v1/customers/%00", headers={"Cookie": f"siyu_sidebar={token}"})
    assert (answer.status_code, answer.json["code"]) == (400, "not_text")


def test_a_database_that_is_gone_is_503_for_reads_too(client, monkeypatch):
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    monkeypatch.setitem(db.engines, None, away)
    assert _json(client, LOGIN, b'{"appid": "wx", "code": "c"}') == (503, "unavailable")
    hook = client.post("/hooks/wecom/wwunheardof", data=b"<xml/>")
    assert (hook.status_code, hook.headers["Retry-After"]) == (503, "2")


def test_a_number_without_end_is_malformed(client):
    assert _json(client, LOGIN, b'{"appid": ' + b"1" * 5000 + b"}") == (400, "malformed_json")


def test_an_open_string_does_not_take_the_time_of_its_square(client):
    body = b"[]" * 40 + b'"' + rb"\"" * 20_000
    began = time.perf_counter()
    client.post("/nowhere", data=body, content_type="application/json")
    assert time.perf_counter() - began < 2


def test_an_address_that_is_none_is_a_foreign_page(app):
    world = make_world()
    token, _ = tokens.issue("sidebar", {"sub": ids.encode("gde", world.guide.id)})
    client = app.test_client(use_cookies=False)
    answer = client.get("/api/sidebar/v1/jssdk?url=http://[", headers={"Cookie": f"siyu_sidebar={token}"})
    assert (answer.status_code, answer.json["code"]) == (422, "page_foreign")


def test_a_line_feed_leads_to_no_page(client):
    world = make_world()
    given = {"login": world.admin.login, "password": PASSWORD, "next": "/console/\r\nX-Other: 1"}
    answer = client.post("/console/login", data=given)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/console/")


def test_metrics_are_told_without_redis(client, monkeypatch):
    monkeypatch.setattr(redis, "_client", Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2))
    answer = client.get("/metrics")
    assert answer.status_code == 200 and "siyu_work_waiting" in answer.text


def test_an_error_of_the_database_quotes_nobody(app):
    with pytest.raises(DBAPIError) as error:
        session.execute(text("SELECT CAST(:phone AS bigint) / 0"), {"phone": 13912341234})
    session.rollback()
    assert "13912341234" not in str(error.value)


def test_a_form_whose_part_has_no_name_is_refused_by_name(client, world) -> None:
    body = b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"
    token, _ = auth.token_of(world.admin)
    answer = client.post(
        "/api/admin/v1/imports",
        data=body,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=x"},
    )
    assert (answer.status_code, answer.json["code"]) == (422, "invalid") and "fields" in answer.json["data"]
