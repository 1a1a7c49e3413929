"""Tags in the admin API: defined, given by rules, one with WeCom's, put on members and taken off, in one's scope."""

from __future__ import annotations

import pytest
from console_world import bearer, make_admins, make_busy
from sqlalchemy import select
from tagging import tagged

from app.channels import tags as wecom_state
from app.channels.tags import LibraryGroup, LibraryTag
from app.core import clock, ids
from app.core.audit import AuditLog
from app.core.db import session
from app.core.outbox import Outbox
from app.core.transaction import transaction
from app.members.models import HomeStoreHistory, Member

API = "/api/admin/v1"


@pytest.fixture
def busy(app):
    return make_busy()


@pytest.fixture
def call(client, busy):
    headers = bearer(busy.world.admin)
    return lambda method, path, **given: getattr(client, method)(f"{API}{path}", headers=headers, **given)


def _held(call, busy) -> list[tuple[str, str]]:
    one = call("get", f"/members/{ids.encode('mbr', busy.member)}").json
    return [(tag["name"], tag["source"]) for tag in one["tags"]]


def test_a_tag_is_defined_put_on_and_taken_off(call, busy) -> None:
    made = call("post", "/tags", json={"name": "高客单", "group": "价值"})
    assert made.status_code == 201
    assert call("post", "/tags", json={"name": "高客单", "group": "价值"}).json["code"] == "tag_exists"
    assert call("post", "/tags", json={"name": "a/b"}).json["code"] == "tag_invalid"
    member = f"/members/{ids.encode('mbr', busy.member)}/tags"
    for _ in range(2):
        put = call("post", member, json={"tag": made.json["id"]})
        assert [tag["name"] for tag in put.json["tags"]] == ["高客单"]
    (line,) = call("get", "/tags").json["items"]
    assert (line["group"], line["name"], line["kind"], line["wecom"], line["members"]) == (
        "价值", "高客单", "manual", False, 1,
    )  # fmt: skip
    assert call("delete", f"{member}/{made.json['id']}").json["tags"] == []
    assert call("delete", f"/tags/{made.json['id']}").status_code == 200
    assert call("get", "/tags").json["items"] == []
    assert call("post", member, json={"tag": made.json["id"]}).json["code"] == "tag_unknown"
    actions = session.scalars(select(AuditLog.action).where(AuditLog.subject.like("mbr%")).order_by(AuditLog.id)).all()
    assert [one for one in actions if one != "members.viewed"] == ["members.tagged", "members.untagged"]


def test_a_rule_gives_its_tag_at_once_and_again_when_asked(call, busy, run_work, tencent_silent) -> None:
    rule = {"field": "orders.count", "op": "gte", "value": 1}
    made = call("post", "/tags", json={"name": "买过", "rule": rule})
    assert made.status_code == 201
    assert call("post", "/tags", json={"name": "坏的", "rule": {"field": "nonsense"}}).json["code"] == "segment_invalid"
    run_work()
    assert _held(call, busy) == [("买过", "rule")]
    tag = made.json["id"]
    call("delete", f"/members/{ids.encode('mbr', busy.member)}/tags/{tag}")
    assert call("post", f"/tags/{tag}/apply").status_code == 200
    run_work()
    assert _held(call, busy) == []  # what a person took off stays off
    assert call("post", f"/tags/{ids.encode('tag', 7)}/apply").status_code == 404


@pytest.fixture
def tencent_silent(busy):
    """What waits for Tencent is done with: these tests speak of tags."""
    with transaction():
        session.query(Outbox).update({Outbox.fanned_out_at: clock.now()})


def test_tags_of_wecom_are_taken_over_and_matched(call, busy) -> None:
    world = busy.world
    with transaction():
        group = LibraryGroup("g1", "偏好", 0, (LibraryTag("et1", "羊绒"), LibraryTag("et2", "针织")))
        wecom_state.put_library(brand_id=world.brand_id, corp_id=world.wecom.namespace, groups=[group], at=clock.now())
    assert call("post", "/tags", json={"name": "针织客", "corp_tag": "et2"}).status_code == 201
    assert call("post", "/tags", json={"name": "别的", "corp_tag": "et9"}).json["code"] == "tag_unknown"
    assert [call("post", "/tags/adopt").json["adopted"] for _ in range(2)] == [1, 0]
    lines = call("get", "/tags").json["items"]
    assert {(one["name"], one["kind"], one["wecom"]) for one in lines} == {
        ("针织客", "manual", True), ("羊绒", "wecom", True),
    }  # fmt: skip


def test_a_member_gets_another_home_within_ones_scope(client, call, busy) -> None:
    world, member = busy.world, f"/members/{ids.encode('mbr', busy.member)}/home-store"
    given = {"store": "S002", "reason": "搬家"}
    assert call("post", member, json=given).json == {"store": "S002", "moved": True}
    assert call("post", member, json=given).json["moved"] is False
    assert call("post", member, json={**given, "store": "S999"}).status_code == 404
    (row,) = session.scalars(select(HomeStoreHistory).where(HomeStoreHistory.reason == "搬家"))
    assert row.store_id == world.stores[1].id and row.moved_by == ids.encode("adm", world.admin.id)
    assert session.get_one(Member, (world.brand_id, busy.member)).home_store_id == world.stores[1].id
    # The dealer of the second store sees the member now, and cannot send them to a store of others.
    dealer = bearer(make_admins(world)["dealer"])
    answer = client.post(f"{API}{member}", json={"store": "S001", "reason": "x"}, headers=dealer)
    assert answer.status_code == 404
    moments = client.get(f"{API}{member.removesuffix('home-store')}timeline", headers=dealer).json
    assert "home_moved" in {one["kind"] for one in moments["items"]}


def test_the_timeline_pages(call, busy) -> None:
    with transaction():
        for number in range(5):
            tagged(busy.world.brand_id, busy.member, f"标签{number}")
    path = f"/members/{ids.encode('mbr', busy.member)}/timeline"
    found, cursor = [], ""
    while cursor is not None:
        page = call("get", path, query_string={"limit": 4, "cursor": cursor}).json
        found += page["items"]
        cursor = page["next_cursor"]
    whole = call("get", path, query_string={"limit": 100}).json["items"]
    assert found == whole and len(whole) > 15
    assert call("get", path, query_string={"cursor": "bm9uc2Vuc2U="}).json["code"] == "cursor_invalid"
