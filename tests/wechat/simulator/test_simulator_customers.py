from __future__ import annotations

import pytest

from tests.wechat.simulator.cast import CORP, Clock, Tencent


def test_five_customers_in_one_second_differ_only_in_their_ids(tencent: Tencent) -> None:
    added = tencent.add("c1", "c2", "c3", "c4", "c5", state="store-7")
    events = [fields for receiver, fields in tencent.events if receiver == CORP]
    assert len(events) == 5 and len({e["CreateTime"] for e in events}) == 1
    assert {e["FromUserName"] for e in events} == {"sys"}
    assert len({e["WelcomeCode"] for e in events}) == len({e["ExternalUserID"] for e in events}) == 5
    assert events[0]["State"] == "store-7" and [a["customer"] for a in added] == ["c1", "c2", "c3", "c4", "c5"]


def test_a_welcome_code_lives_twenty_seconds_and_works_once(tencent: Tencent, clock: Clock) -> None:
    first, second = (a["welcome_code"] for a in tencent.add("c1", "c2"))
    clock.value += 19
    send = {"text": {"content": "欢迎"}, "attachments": []}
    assert tencent.contact("send_welcome_msg", welcome_code=first, **send)["errcode"] == 0
    assert tencent.contact("send_welcome_msg", welcome_code=first, **send)["errcode"] == 41051
    clock.value += 2
    assert tencent.contact("send_welcome_msg", welcome_code=second, **send)["errcode"] == 41050
    assert tencent.contact("send_welcome_msg", welcome_code="nonsense", **send)["errcode"] == 41050
    sent = tencent.client.get("/_control/sent?kind=welcome").get_json()["rows"]
    assert len(sent) == 1 and sent[0]["content"]["seconds"] == 19.0 and sent[0]["sender"] == "GuideA"


def test_no_welcome_code_when_the_console_greets(tencent: Tencent) -> None:
    tencent.control("staff", userid="GuideA", console_welcome=True)
    assert tencent.add("c1")[0]["welcome_code"] is None
    assert "WelcomeCode" not in tencent.events[-1][1]


def test_get_list_and_batch(tencent: Tencent) -> None:
    assert tencent.get("/cgi-bin/externalcontact/list", userid="GuideA")["errcode"] == 84061
    assert tencent.get("/cgi-bin/externalcontact/list", userid="nobody")["errcode"] == 60111
    tencent.add("c1", "c2", state="s")
    tencent.add("c1", staff="guide-b")
    listed = tencent.get("/cgi-bin/externalcontact/list", userid="GuideA")["external_userid"]
    assert listed == [tencent.external("c1"), tencent.external("c2")]
    detail = tencent.get("/cgi-bin/externalcontact/get", external_userid=listed[0])
    assert detail["external_contact"]["name"] == "顾客1" and detail["external_contact"]["unionid"]
    assert {f["userid"] for f in detail["follow_user"]} == {"GuideA", "guide-b"}
    assert tencent.get("/cgi-bin/externalcontact/get", external_userid="wmNobody")["errcode"] == 40096
    ask = {"userid_list": ["GuideA", "guide-b"], "limit": 2}
    page = tencent.contact("batch/get_by_user", **ask)
    rest = tencent.contact("batch/get_by_user", **ask, cursor=page["next_cursor"])
    assert len(page["external_contact_list"]) == 2 and len(rest["external_contact_list"]) == 1
    assert rest["next_cursor"] == "" and "tag_id" in rest["external_contact_list"][0]["follow_info"]
    assert tencent.get("/cgi-bin/externalcontact/get_follow_user_list")["follow_user"] == ["GuideA", "guide-b"]


def test_unfollowed_stays_readable_and_deleted_is_gone(tencent: Tencent) -> None:
    tencent.add("c1", "c2")
    tencent.control("contacts/unfollow", staff="GuideA", customer="c1")
    tencent.control("contacts/delete", staff="GuideA", customer="c2")
    assert [e["ChangeType"] for _, e in tencent.events[-2:]] == ["del_follow_user", "del_external_contact"]
    assert tencent.get("/cgi-bin/externalcontact/get", external_userid=tencent.external("c1"))["errcode"] == 0
    assert tencent.get("/cgi-bin/externalcontact/get", external_userid=tencent.external("c2"))["errcode"] == 84061


def test_remarks_and_tags_are_per_relation_and_raise_no_callback(tencent: Tencent) -> None:
    tencent.add("c1")
    tencent.add("c1", staff="guide-b")
    before = len(tencent.events)
    group = tencent.contact("add_corp_tag", group_name="喜好", tag=[{"name": "连衣裙"}, {"name": "羊绒"}])["tag_group"]
    again = tencent.contact("add_corp_tag", group_name="喜好", tag=[{"name": "连衣裙"}])["tag_group"]
    tag = group["tag"][0]["id"]
    assert again["group_id"] == group["group_id"] and again["tag"][0]["id"] == tag
    pair = {"userid": "GuideA", "external_userid": tencent.external("c1")}
    assert tencent.contact("mark_tag", **pair, add_tag=[tag])["errcode"] == 0
    assert tencent.contact("mark_tag", **pair, add_tag=["etNothing"])["errcode"] == 40068
    assert tencent.contact("remark", **pair, remark="老顾客", remark_mobiles=["13900000001"])["errcode"] == 0
    assert tencent.contact("remark", **pair)["errcode"] == 40058
    follows = tencent.get("/cgi-bin/externalcontact/get", external_userid=pair["external_userid"])["follow_user"]
    mine, hers = (next(f for f in follows if f["userid"] == u) for u in ("GuideA", "guide-b"))
    assert mine["tags"] == [{"group_name": "喜好", "tag_name": "连衣裙", "tag_id": tag, "type": 1}]
    assert mine["remark"] == "老顾客" and hers["remark"] == "" and hers["tags"] == []
    assert tencent.contact("edit_corp_tag", id=tag, name="羊绒")["errcode"] == 40071
    assert tencent.contact("del_corp_tag", tag_id=[tag])["errcode"] == 0
    left = tencent.contact("get_corp_tag_list")["tag_group"][0]["tag"]
    assert [t["name"] for t in left] == ["羊绒"] and len(tencent.events) == before


def test_a_contact_way_hands_its_state_to_the_callback(tencent: Tencent) -> None:
    made = tencent.contact("add_contact_way", type=1, scene=2, user=["GuideA"], state="SH-NJXL", remark="店门口")
    assert made["qr_code"].startswith("http://sim.test/qr/")
    scanned = tencent.control("scan", config_id=made["config_id"], customer="c3")
    assert scanned["staff"] == "GuideA" and tencent.events[-1][1]["State"] == "SH-NJXL"
    assert tencent.contact("update_contact_way", config_id=made["config_id"], state="SH-2")["errcode"] == 0
    way = tencent.contact("get_contact_way", config_id=made["config_id"])["contact_way"]
    assert way["state"] == "SH-2" and way["user"] == ["GuideA"] and way["remark"] == "店门口"
    assert len(tencent.contact("list_contact_way")["contact_way"]) == 1
    assert tencent.contact("del_contact_way", config_id=made["config_id"])["errcode"] == 0
    assert tencent.contact("get_contact_way", config_id=made["config_id"])["errcode"] == 41044


@pytest.mark.parametrize(
    ("change", "errcode"),
    [({"user": []}, 40058), ({"user": ["nobody"]}, 40098), ({"state": "x" * 31}, 40058), ({"scene": 9}, 41038)],
)
def test_contact_way_refusals(tencent: Tencent, change: dict, errcode: int) -> None:
    ask = {"type": 1, "scene": 2, "user": ["GuideA"]} | change
    assert tencent.contact("add_contact_way", **ask)["errcode"] == errcode


def test_unionid_to_external_userid_and_pending(tencent: Tencent) -> None:
    customer = tencent.engine.world.customers.rows["c1"]
    ask = {"unionid": customer.unionid, "openid": next(iter(customer.openids.values()))}
    path = "/cgi-bin/idconvert/unionid_to_external_userid"
    assert "pending_id" in tencent.post(path, **ask)
    tencent.add("c1")
    assert tencent.post(path, **ask)["external_userid"] == tencent.external("c1")
    assert tencent.post(path, **ask | {"openid": "oOther"})["errcode"] == 845001


def test_a_transfer_happens_after_a_day_or_is_refused(tencent: Tencent, clock: Clock) -> None:
    tencent.add("c1", "c2")
    pair = {"handover_userid": "GuideA", "takeover_userid": "guide-b"}
    ask = {**pair, "external_userid": [tencent.external("c1"), tencent.external("c2"), "wmNobody"]}
    rows = tencent.contact("transfer_customer", **ask)["customer"]
    assert [r["errcode"] for r in rows] == [0, 0, 40096]
    assert [r["errcode"] for r in tencent.contact("transfer_customer", **ask)["customer"]] == [40100, 40100, 40096]
    tencent.control("transfers", customer="c2", outcome="refused")
    assert tencent.events[-1][1]["FailReason"] == "customer_refused"
    clock.value += 86401
    tencent.login()
    rows = tencent.contact("transfer_result", **pair)["customer"]
    assert [r["status"] for r in rows] == [1, 3]
    assert [e["ChangeType"] for _, e in tencent.events[-2:]] == ["del_external_contact", "add_external_contact"]
    assert tencent.events[-2][1]["Source"] == "DELETE_BY_TRANSFER"
    assert tencent.get("/cgi-bin/externalcontact/list", userid="guide-b")["external_userid"] == [tencent.external("c1")]


def test_customers_of_a_member_who_left(tencent: Tencent) -> None:
    tencent.add("c1")
    pair = {"handover_userid": "GuideA", "takeover_userid": "guide-b", "external_userid": [tencent.external("c1")]}
    assert tencent.contact("resigned/transfer_customer", **pair)["errcode"] == 40097
    tencent.control("staff", userid="GuideA", status=5)
    info = tencent.contact("get_unassigned_list")["info"]
    assert [(i["handover_userid"], i["external_userid"]) for i in info] == [("GuideA", tencent.external("c1"))]
    assert tencent.contact("resigned/transfer_customer", **pair)["customer"][0]["errcode"] == 0
