"""The second factor: setting it up, needing it, using a code once, losing the phone; and accounts handed over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from at_once import at_once
from console_world import bearer, make_admins
from factories import PASSWORD, World, make_world
from sqlalchemy import text

from app.core import audit, clock
from app.core.db import session
from app.core.transaction import transaction
from app.org import second_factor
from app.org.models import AdminUser
from app.org.rules import LOGIN_TRIES

API = "/api/admin/v1"


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _set_up(client: Any, admin: AdminUser) -> tuple[pyotp.TOTP, list[str]]:
    headers = bearer(admin)
    totp = pyotp.parse_uri(client.post(f"{API}/me/second-factor", headers=headers).json["uri"])
    answer = client.post(f"{API}/me/second-factor/confirm", headers=headers, json={"code": _code(totp)})
    assert answer.status_code == 200, answer.json
    return totp, answer.json["recovery_codes"]


def _code(totp: Any, later: int = 0) -> str:
    return totp.at(int(clock.now().timestamp()) + later)


def _ticket(client: Any, admin: AdminUser) -> str:
    answer = client.post(f"{API}/login", json={"login": admin.login, "password": PASSWORD})
    assert answer.status_code == 401 and answer.json["code"] == "second_factor_needed"
    return answer.json["data"]["ticket"]


def _give(client: Any, ticket: str, code: str) -> Any:
    return client.post(f"{API}/login/second-factor", json={"ticket": ticket, "code": code})


def test_a_login_needs_the_code_and_each_code_works_once(client: Any, world: World) -> None:
    totp, _ = _set_up(client, world.admin)
    first = _code(totp)
    assert _give(client, _ticket(client, world.admin), first).status_code == 401  # used by the confirmation
    with time_machine.travel(clock.now() + timedelta(seconds=60)):
        ticket, code = _ticket(client, world.admin), _code(totp)
        answer = _give(client, ticket, code)
        assert answer.status_code == 200 and answer.json["role"] == "hq"
        me = client.get(f"{API}/me", headers={"Authorization": f"Bearer {answer.json['token']}"})
        assert me.status_code == 200
        assert _give(client, ticket, _code(totp, 30)).status_code == 401  # the ticket is spent
        assert _give(client, _ticket(client, world.admin), code).status_code == 401  # and so is the code
    logged = [row.data for row in audit.entries(actors=None, limit=50) if row.action == "admin.login"]
    assert logged == [{"second_factor": True}]


def test_a_ticket_is_no_token_and_a_token_no_ticket(client: Any, world: World) -> None:
    _set_up(client, world.admin)
    ticket = _ticket(client, world.admin)
    assert client.get(f"{API}/me", headers={"Authorization": f"Bearer {ticket}"}).status_code == 401
    token = bearer(world.admin)["Authorization"].removeprefix("Bearer ")
    assert _give(client, token, "123456").status_code == 401
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        assert _give(client, ticket, "123456").json["code"] == "token_invalid"


def test_a_ticket_ends_with_its_password(client: Any, world: World) -> None:
    totp, _ = _set_up(client, world.admin)
    with time_machine.travel(clock.now() + timedelta(seconds=60)):
        ticket = _ticket(client, world.admin)
        changed = {"password": PASSWORD, "new_password": "a brand-new password"}
        assert client.post(f"{API}/me/password", headers=bearer(world.admin), json=changed).status_code == 200
        assert _give(client, ticket, _code(totp)).json["code"] == "login_failed"
        again = client.post(f"{API}/login", json={"login": world.admin.login, "password": "a brand-new password"})
        assert _give(client, again.json["data"]["ticket"], _code(totp)).status_code == 200


def test_guessing_codes_locks_the_account(client: Any, world: World) -> None:
    totp, _ = _set_up(client, world.admin)
    with time_machine.travel(clock.now() + timedelta(seconds=60)):
        ticket = _ticket(client, world.admin)
        for _ in range(LOGIN_TRIES):
            assert _give(client, ticket, "000000").status_code == 401
        assert _give(client, ticket, _code(totp)).json["code"] == "login_failed"


def test_a_recovery_code_works_once(client: Any, world: World) -> None:
    _, codes = _set_up(client, world.admin)
    assert len(set(codes)) == 10
    assert _give(client, _ticket(client, world.admin), codes[0].upper()).status_code == 200
    assert _give(client, _ticket(client, world.admin), codes[0]).status_code == 401
    assert _give(client, _ticket(client, world.admin), codes[1]).status_code == 200


def test_one_code_opens_one_session_however_many_hands_hold_it(app: Any, client: Any, world: World) -> None:
    totp, codes = _set_up(client, world.admin)
    admin_id = world.admin.id
    with time_machine.travel(clock.now() + timedelta(seconds=60)):
        for code in (_code(totp), codes[3]):

            def spend(code: str = code) -> bool:
                with transaction():
                    return second_factor.spend(admin_id=admin_id, code=code)

            assert sorted(at_once(app, [spend] * 6)) == [False] * 5 + [True]


def test_without_the_guard_a_code_would_open_two(app: Any, client: Any, world: World) -> None:
    """The twin: looking first and writing afterwards lets everybody in who looked at the same time."""
    totp, _ = _set_up(client, world.admin)
    admin_id = world.admin.id

    def spend() -> bool:
        with transaction():
            free = session.scalar(text("SELECT factor_step < 9e9 FROM admin_user WHERE id = :id"), {"id": admin_id})
            session.execute(text("SELECT pg_sleep(0.2)"))
            session.execute(text("UPDATE admin_user SET factor_step = 1 WHERE id = :id"), {"id": admin_id})
            return bool(free)

    assert sum(at_once(app, [spend] * 4)) > 1


def test_removing_it_takes_a_code_and_an_administrator_can_for_a_lost_phone(client: Any, world: World) -> None:
    admins = make_admins(world)
    totp, _ = _set_up(client, admins["store"])
    mine = bearer(admins["store"])
    assert client.delete(f"{API}/me/second-factor", headers=mine, json={"code": "000000"}).status_code == 422
    assert client.post(f"{API}/me/second-factor", headers=mine).json["code"] == "second_factor_stands"
    with time_machine.travel(clock.now() + timedelta(seconds=60)):
        assert client.delete(f"{API}/me/second-factor", headers=mine, json={"code": _code(totp)}).status_code == 200
    _set_up(client, admins["dealer"])
    users = client.get(f"{API}/users", headers=bearer(admins["hq"])).json["items"]
    lost = next(one for one in users if one["login"] == admins["dealer"].login)
    assert lost["second_factor"] and lost["place"] == "经销商一"
    stolen = bearer(admins["dealer"])
    reset = client.post(f"{API}/users/{lost['id']}/reset", headers=bearer(admins["hq"])).json
    again = client.post(f"{API}/login", json={"login": lost["login"], "password": reset["password"]})
    assert again.status_code == 200
    token = {"Authorization": f"Bearer {again.json['token']}"}
    assert client.get(f"{API}/today", headers=token).json["code"] == "account_unfinished"  # the password comes first
    assert client.get(f"{API}/me", headers=stolen).status_code == 401, "what was signed in before is out"
    changed = {"password": reset["password"], "new_password": "a brand-new password"}
    fresh = client.post(f"{API}/me/password", headers=token, json=changed)
    assert fresh.status_code == 200 and client.get(f"{API}/me", headers=token).status_code == 401
    assert client.get(f"{API}/today", headers={"Authorization": f"Bearer {fresh.json['token']}"}).status_code == 200


def test_a_role_may_be_made_to_have_one(app: Any, client: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "siyu", _with_roles(app.extensions["siyu"], {"hq"}))
    headers = bearer(world.admin)
    assert client.get(f"{API}/today", headers=headers).json["code"] == "account_unfinished"
    assert client.get(f"{API}/me", headers=headers).status_code == 200
    page = client.get("/console/", headers=headers)
    assert page.status_code == 302 and page.headers["Location"] == "/console/account"
    assert "请先开启两步验证" in client.get("/console/account", headers=headers).text
    _set_up(client, world.admin)
    assert client.get(f"{API}/today", headers=headers).status_code == 200
    assert client.get(f"{API}/today", headers=bearer(make_admins(world)["store"])).status_code == 200


def _with_roles(settings: Any, roles: set[str]) -> Any:
    return type(settings)(**{**settings.__dict__, "second_factor_roles": frozenset(roles)})


def test_signing_in_on_the_page_in_two_steps(client: Any, world: World) -> None:
    _, codes = _set_up(client, world.admin)
    form = {"login": world.admin.login, "password": PASSWORD, "next": "/console/members"}
    page = client.post("/console/login", data=form)
    assert page.status_code == 200 and "两步验证" in page.text and "Set-Cookie" not in page.headers
    ticket = page.text.split('name="ticket" value="')[1].split('"')[0]
    given, elsewhere = {"ticket": ticket, "code": codes[1]}, {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/console/login/code", data=given, headers=elsewhere).status_code == 403
    wrong = client.post("/console/login/code", data={"ticket": ticket, "code": "1", "next": "/console/members"})
    assert wrong.status_code == 401 and "验证码不正确" in wrong.text
    right = client.post("/console/login/code", data={"ticket": ticket, "code": codes[0], "next": "/console/members"})
    assert right.status_code == 302 and right.headers["Location"] == "/console/members"
    assert (
        client.post("/console/login/code", data={"ticket": "x", "code": "1"})
        .headers["Location"]
        .startswith("/console/login")
    )


def test_the_account_page_sets_up_and_removes(client: Any, world: World) -> None:
    client.post("/console/login", data={"login": world.admin.login, "password": PASSWORD})
    token = {"csrf_token": client.get(f"{API}/me").json["csrf_token"]}
    page = client.post("/console/account/second-factor", data=token)
    assert "<svg" in page.text and "otpauth" not in page.text.replace("otpauth%3A", "")
    seed = page.text.split("手动输入密钥：")[1].split(">")[1].split("<")[0]
    assert client.post("/console/account/second-factor/confirm", data=token | {"code": "1"}).status_code == 422
    done = client.post("/console/account/second-factor/confirm", data=token | {"code": _code(pyotp.TOTP(seed))})
    assert "恢复码" in done.text
    form = {"password": PASSWORD, "new_password": "another long one", "again": "another long on"}
    assert "两次输入的新密码不一致" in client.post("/console/account/password", data=token | form).text
    saved = client.post("/console/account/password", data=token | form | {"again": "another long one"})
    assert saved.status_code == 302 and client.get("/console/account").status_code == 200, "still signed in"
