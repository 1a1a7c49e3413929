"""Lists of the simulated WeCom: groups, ids, pending ids, and how they refuse."""

from __future__ import annotations

import pytest

from app.wechat.simulator.errors import WireError
from tests.wechat.simulator.cast import CORP, Tencent


def chat(tencent: Tencent, owner: str = "GuideA", *customers: str) -> str:
    rows = [tencent.engine.world.customers.rows[name] for name in customers]
    return tencent.engine.groups.create(CORP, owner, "会员群", rows).chat_id


def test_groups_page_by_page_and_by_owner(tencent: Tencent) -> None:
    mine = [chat(tencent) for _ in range(3)]
    other = chat(tencent, "guide-b")
    first = tencent.contact("groupchat/list", limit=2)
    second = tencent.contact("groupchat/list", limit=2, cursor=first["next_cursor"])
    assert [row["chat_id"] for page in (first, second) for row in page["group_chat_list"]] == [*mine, other]
    assert second["next_cursor"] == ""
    filtered = tencent.contact("groupchat/list", limit=10, owner_filter={"userid_list": ["guide-b"]})
    assert filtered["group_chat_list"] == [{"chat_id": other, "status": 0}]
    assert tencent.contact("groupchat/list")["errcode"] == 40058  # the limit is required


def test_a_corp_too_large_for_one_list(tencent: Tencent) -> None:
    tencent.engine.world.set_value("chat_list_without_owners", 1)
    answer = tencent.contact("groupchat/list", limit=10)
    assert answer["errcode"] == 81017 and answer["group_chat_list"] == []
    assert tencent.contact("groupchat/list", limit=10, owner_filter={"userid_list": ["GuideA"]})["errcode"] == 0


def test_a_group_its_members_and_its_callbacks(tencent: Tencent) -> None:
    chat_id = chat(tencent, "GuideA", "c1")
    groups, customers = tencent.engine.groups, tencent.engine.world.customers.rows
    before = tencent.contact("groupchat/get", chat_id=chat_id, need_name=1)["group_chat"]
    groups.join(chat_id, [customers["c2"]], scene=3, state="s1")
    after = tencent.contact("groupchat/get", chat_id=chat_id)["group_chat"]
    assert {row["userid"]: row.get("name") for row in before["member_list"]} == {
        "GuideA": "王芳", tencent.external("c1"): "顾客1",
    }  # fmt: skip
    joined = next(row for row in after["member_list"] if row["userid"] == tencent.external("c2"))
    assert (joined["join_scene"], joined["state"], "name" in joined) == (3, "s1", False)
    event = tencent.events[-1][1]
    assert (event["ChangeType"], event["UpdateDetail"], event["JoinScene"]) == ("update", "add_member", 3)
    assert (event["LastMemVer"], event["CurMemVer"]) == (before["member_version"], after["member_version"])
    assert event["MemChangeList"] == {"Item": tencent.external("c2")}
    groups.leave(chat_id, [tencent.external("c1"), tencent.external("c2")], removed=True)
    assert tencent.events[-1][1]["QuitScene"] == 1 and len(tencent.events[-1][1]["MemChangeList"]["Item"]) == 2
    groups.change(chat_id, name="新名", notice="公告", owner="guide-b")
    assert [fields["UpdateDetail"] for _, fields in tencent.events[-3:]] == [
        "change_name", "change_notice", "change_owner",
    ]  # fmt: skip
    groups.dismiss(chat_id)
    assert tencent.events[-1][1]["ChangeType"] == "dismiss"
    assert tencent.contact("groupchat/get", chat_id=chat_id)["errcode"] == 40050


def test_ids_of_everybody(tencent: Tencent) -> None:
    first = tencent.post("/cgi-bin/user/list_id", limit=1)
    second = tencent.post("/cgi-bin/user/list_id", limit=1, cursor=first["next_cursor"])
    assert first["dept_user"] + second["dept_user"] == [
        {"userid": "GuideA", "department": 2}, {"userid": "guide-b", "department": 1},
    ]  # fmt: skip


def test_who_leads_a_department_is_told_with_them(tencent: Tencent) -> None:
    tencent.control("departments", id=2, name="南京西路店", leaders=["GuideA"])
    assert tencent.get("/cgi-bin/user/get", userid="GuideA")["is_leader_in_dept"] == [1]
    assert tencent.get("/cgi-bin/user/get", userid="guide-b")["is_leader_in_dept"] == [0]


def test_a_pending_id_lives_ninety_days(tencent: Tencent) -> None:
    customer = tencent.engine.world.customers.rows["c1"]

    def convert() -> dict:
        openid = next(iter(customer.openids.values()))
        return tencent.post("/cgi-bin/idconvert/unionid_to_external_userid", unionid=customer.unionid, openid=openid)

    def pending() -> list:
        path = "/cgi-bin/idconvert/batch/external_userid_to_pending_id"
        return tencent.post(path, external_userid=[tencent.external("c1"), tencent.external("c2")])["result"]

    assert pending() == []
    first = convert()["pending_id"]
    assert convert()["pending_id"] == first
    assert pending() == [{"external_userid": tencent.external("c1"), "pending_id": first}]
    tencent.clock.value += 91 * 86400
    tencent.login()
    assert pending() == []
    assert convert()["pending_id"] != first
    tencent.add("c1")
    assert convert()["external_userid"] == tencent.external("c1")


@pytest.mark.parametrize("path", ["groupchat/list", "get_corp_tag_list", "transfer_result", "batch/get_by_user"])
def test_an_error_carries_an_empty_list(tencent: Tencent, path: str) -> None:
    tencent.engine.faults.inject({"api": f"externalcontact/{path}", "errcode": -1, "count": 1})
    answer = tencent.contact(path, limit=1)
    assert answer["errcode"] == -1 and [] in answer.values()


def test_too_many_calls_at_once(tencent: Tencent) -> None:
    tencent.engine.faults.set_quota("externalcontact/groupchat/list", at_once=1)
    with tencent.engine.faults.side_by_side(CORP, "externalcontact/groupchat/list"):
        assert tencent.contact("groupchat/list", limit=1)["errcode"] == 45033
    assert tencent.contact("groupchat/list", limit=1)["errcode"] == 0
    with pytest.raises(WireError), tencent.engine.faults.side_by_side(CORP, "externalcontact/groupchat/list"):
        with tencent.engine.faults.side_by_side(CORP, "externalcontact/groupchat/list"):
            pass


def test_a_slow_answer_holds_its_place(tencent: Tencent) -> None:
    tencent.engine.faults.set_quota("externalcontact/groupchat/list", at_once=1)
    tencent.engine.faults.inject({"api": "externalcontact/groupchat/list", "latency_ms": 50, "count": 1})
    held: list[int] = []
    tencent.engine.sleep = lambda _seconds: held.append(tencent.contact("groupchat/list", limit=1)["errcode"])
    assert tencent.contact("groupchat/list", limit=1)["errcode"] == 0
    assert held == [45033]
