"""Signing in to the console: lock-out, tokens, cookies and the protection of their writes."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from console_world import bearer
from factories import PASSWORD

from app.core import clock
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction
from app.org.models import AdminUser
from app.org.rules import LOGIN_LOCK, LOGIN_TRIES

API = "/api/admin/v1"


def _login(client, login: str, password: str = PASSWORD):
    return client.post(f"{API}/login", json={"login": login, "password": password})


def test_a_good_password_gives_a_token_and_is_audited(client, world) -> None:
    answer = _login(client, world.admin.login)
    assert answer.status_code == 200 and answer.json["role"] == "hq" and answer.json["expires_in"] == 8 * 3600
    me = client.get(f"{API}/me", headers={"Authorization": f"Bearer {answer.json['token']}"}).json
    assert me["name"] == "总部" and me["stores"] is None
    assert [row.action for row in session.query(AuditLog)] == ["admin.login"]


@pytest.mark.parametrize("login,password", [(None, "wrong"), ("nobody", PASSWORD), ("", PASSWORD)])
def test_wrong_password_and_unknown_user_look_alike(client, world, login, password) -> None:
    answer = _login(client, world.admin.login if login is None else login, password)
    if login == "":
        assert answer.status_code == 422
    else:
        assert answer.status_code == 401
        assert answer.json["code"] == "login_failed" and answer.json["data"] == {}


def test_too_many_wrong_passwords_lock_the_account_for_a_while(client, world) -> None:
    with transaction():
        session.get_one(AdminUser, world.admin.id).failed_attempts = LOGIN_TRIES - 2
    assert _login(client, world.admin.login, "wrong").status_code == 401
    assert _login(client, world.admin.login, "wrong").status_code == 401
    assert _login(client, world.admin.login).json["code"] == "login_failed"  # right, but locked
    with time_machine.travel(clock.now() + LOGIN_LOCK + timedelta(seconds=1)):
        assert _login(client, world.admin.login, "wrong").status_code == 401  # counts from one again
        assert _login(client, world.admin.login).status_code == 200
    session.expire_all()
    assert session.get_one(AdminUser, world.admin.id).failed_attempts == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic abc", "Bearer ï"])
def test_no_or_bad_token_is_401(client, world, header) -> None:
    answer = client.get(f"{API}/me", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401 and answer.json["code"] == "token_invalid"


def test_a_token_ends_by_logout_time_and_disabling(client, world) -> None:
    first, second, third = (bearer(world.admin) for _ in range(3))
    assert client.post(f"{API}/logout", headers=first).status_code == 200
    assert client.get(f"{API}/me", headers=first).status_code == 401
    with time_machine.travel(clock.now() + timedelta(hours=9)):
        assert client.get(f"{API}/me", headers=second).status_code == 401
    with transaction():
        session.get_one(AdminUser, world.admin.id).status = "disabled"
    assert client.get(f"{API}/me", headers=third).status_code == 401
    assert _login(client, world.admin.login).status_code == 401


def _cookie_session(client, world):
    return client.post("/console/login", data={"login": world.admin.login, "password": PASSWORD})


def test_the_cookie_is_for_browsers_and_its_writes_need_our_header(client, world) -> None:
    answer = _cookie_session(client, world)
    cookie = answer.headers["Set-Cookie"]
    assert answer.status_code == 302 and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    me = client.get(f"{API}/me").json
    refused = client.post(f"{API}/logout")
    assert refused.status_code == 403 and refused.json["code"] == "csrf_failed"
    assert client.post("/console/logout").status_code == 403
    assert client.post(f"{API}/logout", headers={"X-CSRF-Token": "0" * 64}).status_code == 403
    assert client.post("/console/logout", data={"csrf_token": me["csrf_token"]}).status_code == 302
    assert client.get(f"{API}/me").status_code == 401


def test_a_login_from_another_site_is_refused(client, world) -> None:
    answer = client.post(
        "/console/login",
        data={"login": world.admin.login, "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403 and "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "wanted,lands",
    [
        ("/console/members?q=1", "/console/members?q=1"),
        ("//evil.test", "/console/"),
        ("https://evil.test", "/console/"),
        ("/console//evil.test", "/console/"),
    ],
)
def test_signing_in_leads_to_our_own_pages_only(client, world, wanted, lands) -> None:
    answer = client.post("/console/login", data={"login": world.admin.login, "password": PASSWORD, "next": wanted})
    assert answer.headers["Location"] == lands


def test_pages_forbid_inline_scripts_and_frames(client, world) -> None:
    policy = client.get("/console/login").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy
    assert client.get("/console/").headers["Location"].startswith("/console/login?next=")
