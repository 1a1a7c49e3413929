"""Channel codes in the admin API and the console: only one's own stores, once a key, and numbers that add up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from console_world import bearer, make_admins
from factories import World, make_world
from invariants import broken
from loyalty import set_rules
from people import make_member
from sqlalchemy import func, select
from statements import statements

from app.channels.codes import arrivals, commands
from app.channels.codes.models import ChannelCode
from app.content import commands as content
from app.core import clock, ids
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction
from app.dashboards.queries import channel_codes as queries
from app.dashboards.reach import Reach
from app.flows.order_paid import order_paid
from app.identity import commands as identity
from app.identity.models import IdentityRow
from app.identity.rules import Identity
from app.members import queries as members
from app.sales.rules import LineData, OrderData

API = "/api/admin/v1/channel-codes"
ONE = {"name": "国庆立牌", "purpose": "国庆", "targets": [{"store": "S001"}]}


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("channels.", "members.") == []


@pytest.fixture
def users(world: World) -> dict[str, Any]:
    return make_admins(world)


def order(client: Any, admin: Any, key: str = "codes-key-1", **changes: Any) -> Any:
    return client.post(API, json=ONE | changes, headers=bearer(admin) | {"Idempotency-Key": key})


def get(client: Any, admin: Any, path: str = "", **query: str) -> Any:
    return client.get(API + path, headers=bearer(admin), query_string=query)


def count() -> int:
    return session.scalar(select(func.count()).select_from(ChannelCode)) or 0


def test_a_stores_code_is_asked_for_made_and_shown(
    client: Any, world: World, users: Any, tencent: Any, run_work: Any
) -> None:
    made = order(client, users["hq"])
    assert made.status_code == 201, made.json
    (one,) = made.json["items"]
    assert one["status"] == "ordered" and re.fullmatch(r"[2-9a-z]{12}", one["state"])
    run_work()
    (line,) = get(client, users["hq"]).json["items"]
    assert (line["status"], line["store"], line["users"]) == ("live", "一号店", ["guide1", "guide2"])
    assert line["brought"]["added"] == 0 and line["url"].startswith("http://simulator.invalid/qr/")
    picture = get(client, users["hq"], f"/{one['id']}/picture")
    assert (picture.status_code, picture.location) == (302, line["url"])
    (way,) = tencent.engine.world.ways
    assert (way.state, way.remark) == (one["state"], "国庆立牌")


def test_the_same_key_asks_once(client: Any, world: World, users: Any) -> None:
    first, again = order(client, users["hq"]), order(client, users["hq"])
    assert first.json == again.json and count() == 1
    assert order(client, users["hq"], name="另一个").status_code == 409
    assert client.post(API, json=ONE, headers=bearer(users["hq"])).json["code"] == "idempotency_key_missing"


def test_one_for_each_store_and_guide(client: Any, world: World, users: Any) -> None:
    stores = order(client, users["hq"], targets=[], each="store").json["items"]
    assert [one["name"] for one in stores] == ["国庆立牌 一号店", "国庆立牌 二号店"]
    guides = order(client, users["hq"], key="codes-key-2", targets=[], each="guide").json["items"]
    assert len(guides) == 3 and guides[0]["name"] == "国庆立牌 一号店 导购1"
    own = order(client, users["dealer"], key="codes-key-3", targets=[], each="guide").json["items"]
    assert [one["name"] for one in own] == ["国庆立牌"]  # the dealer's only guide
    assert len(get(client, users["dealer"]).json["items"]) == 3  # both of headquarters for the store, and the own


@pytest.mark.parametrize("role", ["dealer", "store"])
def test_a_foreign_stores_code_is_not_there(client: Any, world: World, users: Any, role: str) -> None:
    (one,) = order(client, users["hq"]).json["items"]
    admin = users[role]  # of the second store
    assert get(client, admin).json["items"] == []
    for answer in (
        get(client, admin, f"/{one['id']}"),
        get(client, admin, f"/{one['id']}/picture"),
        client.patch(f"{API}/{one['id']}", json={"name": "x"}, headers=bearer(admin)),
        client.post(f"{API}/{one['id']}/retire", headers=bearer(admin)),
        order(client, admin, key="codes-key-2"),
        order(client, admin, key="codes-key-3", targets=[{"guide": "guide1"}]),
        order(client, admin, key="codes-key-4", targets=[{"store": "S002", "users": ["guide1"]}]),
        order(client, admin, key="codes-key-5", targets=[{"users": ["guide3"]}]),
    ):
        assert answer.status_code == 404, answer.json
    assert count() == 1
    assert order(client, admin, key="codes-key-6", targets=[{"store": "S002"}]).status_code == 201
    mine = get(client, admin).json["items"][0]["id"]
    foreign = client.patch(f"{API}/{mine}", json={"users": ["guide1"]}, headers=bearer(admin))
    assert foreign.status_code == 404


def test_another_brands_code_is_not_there(client: Any, world: World, users: Any) -> None:
    (one,) = order(client, users["hq"]).json["items"]
    other = make_admins(make_world())
    assert get(client, other["hq"], f"/{one['id']}").status_code == 404
    assert get(client, other["hq"]).json["items"] == []
    assert get(client, users["hq"], "/chc_nonsense").json["code"] == "channel_code_unknown"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"targets": []}, 422, "invalid"),
        ({"each": "store"}, 422, "invalid"),
        ({"kind": "poster"}, 422, "invalid"),
        ({"name": ""}, 422, "invalid"),
        ({"name": "名" * 61}, 422, "invalid"),
        ({"targets": [{"store": "S001"}] * 201}, 422, "invalid"),
        ({"targets": [{"store": "S001", "users": ["g"] * 501}]}, 422, "invalid"),
        ({"targets": [{"store": "S001", "users": ["a", "a"]}]}, 422, "channel_code_invalid"),
        ({"targets": [{"store": "S001", "state": "s p"}]}, 422, "channel_code_invalid"),
        ({"targets": [{"store": "S001", "state": "abc"}, {"store": "S002", "state": "abc"}]}, 409,
         "channel_code_state_taken"),
        ({"targets": [{"store": "S001", "guide": "guide3"}]}, 422, "channel_code_target"),
        ({"targets": [{"store": "S999"}]}, 404, "not_found"),
        ({"targets": [{}]}, 422, "channel_code_target"),
        ({"welcome": "nothing"}, 422, "channel_code_target"),
        ({"valid_until": "2020-01-01T00:00:00+08:00"}, 422, "invalid"),
        ({"page": "pages/x"}, 422, "channel_code_invalid"),
        ({"tag_ids": ["t"] * 21}, 422, "invalid"),
    ],
)  # fmt: skip
def test_hostile_orders_make_nothing(
    client: Any, world: World, users: Any, changes: Any, status: int, code: str
) -> None:
    answer = order(client, users["hq"], **changes)
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.json
    assert count() == 0


def test_changing_and_retiring(client: Any, world: World, users: Any, tencent: Any, run_work: Any) -> None:
    (one,) = order(client, users["hq"]).json["items"]
    run_work()
    headers, path = bearer(users["hq"]), f"{API}/{one['id']}"
    changed = client.patch(path, json={"name": "新名", "users": ["guide2"], "skip_verify": False}, headers=headers)
    assert changed.status_code == 200 and changed.json["users"] == ["guide2"]
    run_work()
    (way,) = tencent.engine.world.ways
    assert (way.user, way.remark, way.skip_verify) == (["guide2"], "新名", False)
    assert client.patch(path, json={"users": []}, headers=headers).status_code == 422
    past = {"valid_until": "2020-01-01T00:00:00+08:00"}
    assert client.patch(path, json=past, headers=headers).status_code == 422
    assert client.post(f"{path}/retire", headers=headers).json["status"] == "retired"
    run_work()
    assert not list(tencent.engine.world.ways)
    assert client.patch(path, json={"name": "x"}, headers=headers).json["code"] == "channel_code_retired"
    assert get(client, users["hq"], f"/{one['id']}/picture").json["code"] == "channel_code_not_ready"
    actions = [row.action for row in session.scalars(select(AuditLog).order_by(AuditLog.id))]
    assert actions == ["codes.order", "codes.change", "codes.retire"]


def test_pictures_of_mini_program_codes_and_links(
    client: Any, world: World, users: Any, tencent: Any, run_work: Any
) -> None:
    mini = order(client, users["hq"], kind="miniprogram", page="pages/index").json["items"][0]
    link = order(client, users["hq"], key="codes-key-2", kind="link").json["items"][0]
    assert mini["status"] == "live"
    assert get(client, users["hq"], f"/{link['id']}/picture").json["code"] == "channel_code_not_ready"
    run_work()
    for one in (mini, link):
        answer = get(client, users["hq"], f"/{one['id']}/picture")
        assert (answer.status_code, answer.mimetype) == (200, "image/png") and answer.data.startswith(b"\x89PNG")
    tencent.engine.faults.inject({"api": "wxa/getwxacodeunlimit", "errcode": 41030, "count": 1})
    refused = get(client, users["hq"], f"/{mini['id']}/picture")
    assert refused.status_code == 502 and refused.json["code"] == "wechat_rejected"
    tencent.engine.faults.inject({"api": "wxa/getwxacodeunlimit", "http_status": 502, "count": 9})
    assert get(client, users["hq"], f"/{mini['id']}/picture").status_code == 503


def pay(world: World, member_id: int, order_no: str, at: Any, *, store: int = 0, fen: int = 10_000) -> None:
    line = LineData(line_no=1, sku="S", name="鞋", category="", quantity=1, unit_fen=fen, amount_fen=fen)
    order_paid(
        brand_id=world.brand_id,
        member_id=member_id,
        order=OrderData(
            source=f"till:{store}",
            order_no=order_no,
            store_id=world.stores[store].id,
            guide_id=None,
            paid_at=at,
            lines=(line,),
        ),
    )


def test_what_codes_brought_adds_up(world: World) -> None:
    set_rules(world.brand_id)
    now = clock.now()
    with transaction():
        first, second = (
            commands.create_code(brand_id=world.brand_id, name=state, state=state, store_id=world.store.id)
            for state in ("first", "second")
        )
        member_id = make_member(world)
        member = members.member(world.brand_id, member_id)
        member.bound_at = now
        other = identity.link(ids=[Identity("unionid", "open1", "oMerged")], source="test").person_id
        came = {"userid": "g", "external_userid": "wm"}
        arrivals.arrive(code=first, person_id=member.person_id, at=now - timedelta(days=20), **came)
        arrivals.arrive(code=second, person_id=other, at=now - timedelta(days=10))  # the same human, as it turns out
        arrivals.arrive(code=first, person_id=ids.new_id(), at=now)  # a person nobody knows any more
        stranger = identity.link(ids=[Identity("unionid", "open1", "oStranger")], source="test").person_id
        arrivals.arrive(code=first, person_id=stranger, at=now - timedelta(days=1), userid="g", external_userid="ws")
        arrivals.note_lost(userid="g", external_userid="ws", at=now)
        known = select(IdentityRow).where(IdentityRow.person_id == member.person_id, IdentityRow.kind == "openid")
        own = session.scalars(known).one()
        both = [Identity("unionid", "open1", "oMerged"), Identity("openid", own.namespace, own.value)]
        identity.link(ids=both, source="test")
        pay(world, member_id, "A1", now - timedelta(days=19))  # the first code's
        pay(world, member_id, "A2", now - timedelta(days=5), fen=3_000)  # the second's: it came later
        pay(world, member_id, "A3", now - timedelta(days=21))  # before anybody came
        pay(world, member_id, "A4", now - timedelta(days=4), store=1, fen=500)  # in another store
    found = queries.brought(Reach(world.brand_id), [first.id, second.id])
    assert (found[first.id].added, found[first.id].lost, found[first.id].people, found[first.id].members) == (
        2,
        1,
        2,
        1,
    )
    assert (found[first.id].orders, found[first.id].paid_fen) == (1, 10_000)
    assert (found[second.id].opened, found[second.id].orders, found[second.id].paid_fen) == (1, 2, 3_500)
    narrow = queries.brought(Reach(world.brand_id, frozenset({world.store.id})), [second.id])
    assert (narrow[second.id].orders, narrow[second.id].paid_fen) == (1, 3_000)
    assert queries.brought(Reach(world.brand_id + 1), [first.id]) == {}


def test_the_list_costs_the_same_for_one_code_and_for_fifty(client: Any, world: World, users: Any) -> None:
    def cost() -> int:
        with statements() as sent:
            assert get(client, users["hq"], limit="50").status_code == 200
        return len(sent)

    order(client, users["hq"])
    few = cost()
    order(client, users["hq"], key="codes-key-2", targets=[{"store": "S001", "state": f"many-{n}"} for n in range(60)])
    assert cost() == few
    page = get(client, users["hq"], limit="50").json
    rest = get(client, users["hq"], limit="50", cursor=page["next_cursor"]).json
    assert len(page["items"]) == 50 and len(rest["items"]) == 11 and rest["next_cursor"] is None
    assert len(get(client, users["hq"], q="many-7").json["items"]) == 1
    assert len(get(client, users["hq"], status="live").json["items"]) == 0
    assert get(client, users["hq"], status="odd").status_code == 422


class TestPage:
    @pytest.fixture
    def page(self, client: Any, world: World, users: Any) -> Any:
        def opened(role: str = "hq", **query: str) -> Any:
            return client.get("/console/channel-codes", headers=bearer(users[role]), query_string=query)

        return opened

    def test_the_page_lists_and_makes_codes(self, client: Any, world: World, users: Any, page: Any) -> None:
        with transaction():
            content.save_material(brand_id=world.brand_id, code="hello", kind="text", title="国庆欢迎语", body="欢迎")
        first = page()
        text = first.get_data(as_text=True)
        assert "渠道活码" in text and "国庆欢迎语" in text and "暂无渠道活码" in text
        assert "img-src 'self' https:" in first.headers["Content-Security-Policy"]
        form = {"kind": "contact_way", "name": "门店立牌", "purpose": "", "whom": "store:S001", "skip_verify": "1"}
        form |= {"key": "k" * 32, "welcome": "hello", "days": "30"}
        for _ in range(2):  # the same form twice: one code
            done = client.post("/console/channel-codes", data=form, headers=bearer(users["hq"]))
            assert done.status_code == 302, done.get_data(as_text=True)
        assert count() == 1
        shown = page().get_data(as_text=True)
        assert "门店立牌" in shown and "生成中" in shown
        code_id = re.search(r"channel-codes/(chc_[0-9a-z]+)/retire", shown).group(1)
        assert client.post(f"/console/channel-codes/{code_id}/retire", headers=bearer(users["hq"])).status_code == 302
        assert "已停用" in page(status="retired").get_data(as_text=True)

    @pytest.mark.parametrize(
        "changes",
        [
            {"whom": ""},
            {"whom": "store:S999"},
            {"name": ""},
            {"kind": "x"},
            {"key": "short"},
            {"days": "x"},
            {"days": "-1"},
            {"welcome": "nothing"},
        ],
    )
    def test_a_bad_form_is_shown_again(self, client: Any, world: World, users: Any, changes: Any) -> None:
        form = {"kind": "contact_way", "name": "门店立牌", "whom": "store:S001", "key": "k" * 32, "days": ""} | changes
        answer = client.post("/console/channel-codes", data=form, headers=bearer(users["hq"]))
        assert answer.status_code in (404, 422) and 'role="alert"' in answer.get_data(as_text=True) and count() == 0

    def test_a_dealer_sees_only_own_stores_in_the_form(self, world: World, page: Any) -> None:
        text = page("dealer").get_data(as_text=True)
        assert "store:S002" in text and "store:S001" not in text and "guide:guide1" not in text

    def test_a_write_by_cookie_needs_the_forms_value(self, client: Any, world: World, users: Any) -> None:
        client.set_cookie("siyu_admin", bearer(users["hq"])["Authorization"].removeprefix("Bearer "))
        form = {"kind": "contact_way", "name": "x", "whom": "store:S001", "key": "k" * 32}
        assert client.post("/console/channel-codes", data=form).status_code == 403 and count() == 0
