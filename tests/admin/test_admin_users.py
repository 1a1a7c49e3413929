"""Console users and the audit log: who may make whom, and who sees what was done."""

from __future__ import annotations

from typing import Any

import pytest
from console_world import bearer, make_admins
from factories import World, make_world

from app.core import audit, ids
from app.core.db import session
from app.core.transaction import transaction
from app.org.models import AdminUser, Store

API = "/api/admin/v1"


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


@pytest.fixture
def hq(world: World) -> dict[str, str]:
    return bearer(world.admin)


def _make(client: Any, headers: dict[str, str], **given: str) -> Any:
    return client.post(f"{API}/users", headers=headers, json={"name": "店长", "role": "store", **given})


def test_a_new_user_sees_the_given_store_and_must_change_the_password(client: Any, world: World, hq: Any) -> None:
    made = _make(client, hq, login="manager1", place="S002")
    assert made.status_code == 201
    entered = client.post(f"{API}/login", json={"login": "manager1", "password": made.json["password"]})
    token = {"Authorization": f"Bearer {entered.json['token']}"}
    me = client.get(f"{API}/me", headers=token).json
    assert me["role"] == "store" and me["stores"] == [ids.encode("sto", world.stores[1].id)]
    assert client.get(f"{API}/stores", headers=token).json["code"] == "account_unfinished"
    rows = [(row.action, row.data.get("role")) for row in audit.entries(actors=None, limit=10)]
    assert ("admin.create", "store") in rows


@pytest.mark.parametrize(
    "given,status,code",
    [
        ({"login": "x"}, 422, "invalid"),
        ({"login": "fresh", "role": "root"}, 422, "invalid"),
        ({"login": "fresh", "place": "S404"}, 422, "invalid"),
        ({"login": "fresh", "role": "region", "place": "S001"}, 422, "invalid"),
    ],
)
def test_a_wrong_user_is_refused(client: Any, world: World, hq: Any, given: Any, status: int, code: str) -> None:
    answer = _make(client, hq, **given)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_login_is_taken_once(client: Any, world: World, hq: Any) -> None:
    assert _make(client, hq, login="manager1", place="S001").status_code == 201
    assert _make(client, hq, login="manager1", place="S001").json["code"] == "login_taken"


def test_a_disabled_user_is_out_at_once_and_nobody_locks_themselves_out(client: Any, world: World, hq: Any) -> None:
    dealer = make_admins(world)["dealer"]
    theirs, user_id = bearer(dealer), ids.encode("adm", dealer.id)
    assert client.get(f"{API}/me", headers=theirs).status_code == 200
    assert client.post(f"{API}/users/{user_id}/disable", headers=hq).status_code == 200
    assert client.get(f"{API}/me", headers=theirs).status_code == 401
    assert client.post(f"{API}/users/{user_id}/enable", headers=hq).status_code == 200
    assert client.get(f"{API}/me", headers=theirs).status_code == 200
    mine = ids.encode("adm", world.admin.id)
    for act in ("disable", "reset"):
        assert client.post(f"{API}/users/{mine}/{act}", headers=hq).json["code"] == "not_myself"


def test_users_of_another_brand_and_of_the_group_are_not_there(client: Any, world: World, hq: Any) -> None:
    group = make_admins(world)["group"]
    for stranger in (make_world().admin, group):
        answer = client.post(f"{API}/users/{ids.encode('adm', stranger.id)}/disable", headers=hq)
        assert answer.status_code == 404
    logins = {one["login"] for one in client.get(f"{API}/users", headers=hq).json["items"]}
    assert world.admin.login in logins and group.login not in logins


def test_a_dealer_loses_a_store_the_moment_it_moves(client: Any, world: World) -> None:
    theirs = bearer(make_admins(world)["dealer"])
    assert [one["code"] for one in client.get(f"{API}/stores", headers=theirs).json["items"]] == ["S002"]
    with transaction():
        session.get_one(Store, world.stores[1].id).dealer_id = None
    assert client.get(f"{API}/stores", headers=theirs).json["items"] == []
    assert client.get(f"{API}/me", headers=theirs).json["stores"] == []


def test_the_log_shows_a_brand_its_own_people(client: Any, world: World, hq: Any) -> None:
    other = make_world()
    _make(client, hq, login="manager1", place="S001")
    _make(client, bearer(other.admin), login="manager2", place="S001")
    own = client.get(f"{API}/audit", headers=hq).json["items"]
    assert {one["actor"] for one in own} == {ids.encode("adm", world.admin.id)}
    everything = client.get(f"{API}/audit", headers=bearer(make_admins(world)["group"])).json["items"]
    assert {one["action"] for one in everything} == {"admin.create"} and len(everything) == 2
    theirs = client.get(f"{API}/audit", query_string={"actor": ids.encode("adm", other.admin.id)}, headers=hq)
    assert theirs.status_code == 404
    page = client.get(f"{API}/audit", query_string={"limit": 1}, headers=hq).json
    assert len(page["items"]) == 1


def test_the_pages(client: Any, world: World, hq: Any) -> None:
    page = client.get("/console/users", headers=hq)
    assert page.status_code == 200 and world.admin.login in page.text and "经销商一" in page.text
    form = {"login": "manager9", "name": "店长", "role": "store", "place": "S001"}
    made = client.post("/console/users", headers=hq, data=form)
    assert "初始密码" in made.text
    again = client.post("/console/users", headers=hq, data=form)
    assert again.status_code == 409 and "该账号已存在" in again.text
    assert client.post("/console/users", headers=hq, data=form | {"place": ""}).status_code == 422
    user = session.query(AdminUser).filter_by(login="manager9").one()
    where = f"/console/users/{ids.encode('adm', user.id)}"
    assert "已停用" in client.post(where, headers=hq, data={"act": "disable"}).text
    assert "初始密码" in client.post(where, headers=hq, data={"act": "reset"}).text
    assert client.post(where, headers=hq, data={"act": "promote"}).status_code == 422
    log = client.get("/console/audit", headers=hq)
    assert "新建账号" in log.text and "重置账号" in log.text and "<i>角色</i> 门店" in log.text
