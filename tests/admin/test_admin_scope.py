"""What lies outside a scope is not there. Which routes a role may call at all is tests/test_access.py."""

from __future__ import annotations

import pytest
from console_world import PHONE, bearer, make_admins, make_busy
from factories import make_world

from app.core import ids

API = "/api/admin/v1"
ROLES = ("hq", "region", "dealer", "store", "group")


@pytest.fixture
def busy(app):
    return make_busy()


@pytest.fixture
def headers(busy):
    return {role: bearer(admin) for role, admin in make_admins(busy.world).items()}


def test_what_lies_outside_looks_like_what_does_not_exist(client, busy, headers) -> None:
    mine, nothing = ids.encode("mbr", busy.member), ids.encode("mbr", ids.new_id())
    for role in ("dealer", "store"):
        outside = client.get(f"{API}/members/{mine}", headers=headers[role])
        missing = client.get(f"{API}/members/{nothing}", headers=headers[role])
        assert outside.status_code == missing.status_code == 404
        assert {**outside.json, "request_id": ""} == {**missing.json, "request_id": ""}
        assert client.get(f"/console/members/{mine}", headers=headers[role]).status_code == 404
    for role in ("hq", "region", "group"):
        assert client.get(f"{API}/members/{mine}", headers=headers[role]).status_code == 200


@pytest.mark.parametrize("query", ["", PHONE, "number", "id"])
def test_lists_and_searches_stay_within_the_scope(client, busy, headers, query) -> None:
    mine = client.get(f"{API}/members/{ids.encode('mbr', busy.member)}", headers=headers["hq"]).json
    q = {"number": mine["number"], "id": mine["id"]}.get(query, query)
    found = {
        role: {
            one["id"]
            for one in client.get(f"{API}/members", query_string={"q": q}, headers=headers[role]).json["items"]
        }
        for role in ROLES
    }
    member, other = ids.encode("mbr", busy.member), ids.encode("mbr", busy.other)
    assert found["hq"] == found["region"] == found["group"] == ({member, other} if not query else {member})
    assert found["dealer"] == found["store"] == ({other} if not query else set())


def test_figures_are_those_of_the_scope(client, busy, headers) -> None:
    expected = {
        "hq": {"new_members": 2, "customers_added": 1, "tasks_done": 1, "coupons_redeemed": 1, "sales_fen": 34000},
        "region": {"new_members": 2, "customers_added": 1, "tasks_done": 1, "coupons_redeemed": 1, "sales_fen": 34000},
        "dealer": {"new_members": 1, "customers_added": 0, "tasks_done": 0, "coupons_redeemed": 0, "sales_fen": 6000},
        "store": {"new_members": 1, "customers_added": 0, "tasks_done": 0, "coupons_redeemed": 0, "sales_fen": 6000},
    }
    for role, figures in expected.items():
        today = client.get(f"{API}/today", headers=headers[role]).json
        assert {name: today[name]["today"] for name in figures} == figures, role
        assert sum(today["sales_by_hour"]) == figures["sales_fen"]
        shown = client.get(f"{API}/stores", headers=headers[role]).json["items"]
        assert [one["code"] for one in shown] == (["S001", "S002"] if role in ("hq", "region") else ["S002"])
        assert sum(one["sales_fen"] for one in shown) == figures["sales_fen"]
        tasks = client.get(f"{API}/tasks", headers=headers[role]).json["items"]
        assert len(tasks) == figures["tasks_done"]
        (campaign,) = client.get(f"{API}/campaigns", headers=headers[role]).json["items"]
        assert campaign["redeemed"] == figures["coupons_redeemed"] and campaign["issued"] == 1
        (sop,) = client.get(f"{API}/sops", headers=headers[role]).json["items"]
        assert sop["done"] == figures["tasks_done"]
        texts = [one["text"] for one in client.get(f"{API}/feed", headers=headers[role]).json["items"]]
        assert any("一号店" in text for text in texts) == (role in ("hq", "region"))
        assert any("二号店" in text for text in texts)


def test_another_brand_sees_nothing_of_this_one(client, busy) -> None:
    stranger = bearer(make_world().admin)
    assert client.get(f"{API}/members", headers=stranger).json["items"] == []
    assert client.get(f"{API}/members", query_string={"q": PHONE}, headers=stranger).json["items"] == []
    assert client.get(f"{API}/today", headers=stranger).json["sales_fen"] == {"today": 0, "yesterday": 0}
    assert client.get(f"{API}/feed", headers=stranger).json["items"] == []
    for start in (busy.correlation, ids.encode("mbr", busy.member), ids.encode("prs", busy.person)):
        assert client.get(f"{API}/trace/{start}", headers=stranger).status_code == 404
    assert client.get(f"{API}/members/{ids.encode('mbr', busy.member)}", headers=stranger).status_code == 404
    other_brand = {"brand": ids.encode("brd", busy.world.brand_id)}
    assert client.get(f"{API}/today", query_string=other_brand, headers=stranger).status_code == 404


def test_the_group_chooses_a_brand(client, busy, headers) -> None:
    second = make_world()
    mine = {"brand": ids.encode("brd", second.brand_id)}
    assert client.get(f"{API}/me", query_string=mine, headers=headers["group"]).json["brand_name"] == second.brand.name
    for wrong in ("brd_x", ids.encode("brd", ids.new_id()), "1"):
        assert client.get(f"{API}/me", query_string={"brand": wrong}, headers=headers["group"]).status_code == 404
