"""Shoppers who open the mini-program by a store's code: counted at login, led to store and guide at binding."""

from __future__ import annotations

from typing import Any

import pytest
from factories import World, make_world
from invariants import broken
from sqlalchemy import select

from app.channels.codes import commands
from app.channels.codes import queries as codes
from app.channels.codes.models import Arrival
from app.core.db import session
from app.core.transaction import transaction
from app.members.models import Member

API = "/api/miniapp/v1"


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("identity.", "members.", "channels.") == []


@pytest.fixture
def code(world: World) -> Any:
    with transaction():
        return commands.create_code(
            brand_id=world.brand_id,
            kind="miniprogram",
            name="二号店台卡",
            state="table-2",
            store_id=world.stores[1].id,
            guide_id=world.guides[2].id,
        )


def log_in(tencent: Any, name: str = "anna", **scene: Any) -> Any:
    body = {"appid": tencent.appid, "code": tencent.login_code(name)} | scene
    return tencent.client.post(f"{API}/login", json=body)


def bind(tencent: Any, token: str, name: str = "anna") -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return tencent.client.post(f"{API}/phone", json={"code": tencent.phone_code(name)}, headers=headers)


def arrived() -> list[Arrival]:
    return list(session.scalars(select(Arrival)))


def member() -> Member:
    return session.scalars(select(Member).execution_options(populate_existing=True)).one()


def test_a_login_counts_and_binding_leads_to_store_and_guide(tencent: Any, world: World, code: Any) -> None:
    tencent.customer("anna", phone="13712345678")
    first, again = log_in(tencent, scene="table-2"), log_in(tencent, scene="table-2")
    assert first.status_code == again.status_code == 200
    (one,) = arrived()
    assert (one.code_id, one.kind, one.store_id) == (code.id, "opened", world.stores[1].id)
    assert bind(tencent, again.json["token"]).status_code == 200
    found = member()
    assert (found.home_store_id, found.guide_id, found.source) == (world.stores[1].id, world.guides[2].id, "miniapp")
    (touch,) = codes.arrivals(found.person_id, brand_id=world.brand_id)
    assert (touch.name, touch.first, touch.last) == ("二号店台卡", True, True)


def test_the_guide_whom_they_added_goes_before_the_code(tencent: Any, world: World, code: Any, run_work: Any) -> None:
    tencent.customer("anna", phone="13712345678")
    tencent.add("anna")
    tencent.deliver()
    run_work()
    bind(tencent, log_in(tencent, scene="table-2").json["token"])
    assert (member().guide_id, member().home_store_id) == (world.guide.id, world.store.id)


def test_a_member_without_a_guide_gets_the_codes(tencent: Any, world: World, code: Any) -> None:
    tencent.customer("anna", phone="13712345678")
    bind(tencent, log_in(tencent).json["token"])
    assert member().guide_id is None
    log_in(tencent, scene="table-2")
    assert (member().guide_id, member().home_store_id) == (world.guides[2].id, world.stores[1].id)


@pytest.mark.parametrize("scene", ["nobody", "t", "table-2 ", "表", "table-2\u0000", None])
def test_a_scene_that_is_no_code_is_ignored(tencent: Any, world: World, code: Any, scene: Any) -> None:
    tencent.customer("anna")
    assert log_in(tencent, scene=scene).status_code == 200 and arrived() == []


@pytest.mark.parametrize("scene", ["", "x" * 33, 5, ["table-2"]])
def test_a_scene_that_is_no_text_is_invalid(tencent: Any, world: World, code: Any, scene: Any) -> None:
    tencent.customer("anna")
    assert log_in(tencent, scene=scene).status_code == 422 and arrived() == []


def test_another_brands_code_leads_nowhere(tencent: Any, world: World) -> None:
    other = make_world()
    with transaction():
        commands.create_code(brand_id=other.brand_id, kind="miniprogram", name="别家", state="foreign-1")
    tencent.customer("anna")
    assert log_in(tencent, scene="foreign-1").status_code == 200 and arrived() == []
