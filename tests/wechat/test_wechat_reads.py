"""What reconciliation reads: whole lists, page by page, from answers shaped like the documented samples."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from app.core.errors import SiyuError
from app.wechat.errors import AnswerIncomplete, MessageInvalid, Rejected
from app.wechat.wecom import ListedChat, Transferred

CONTACT = "/cgi-bin/externalcontact/"

READS = {
    "/cgi-bin/department/list": lambda wecom: wecom.departments(),
    "/cgi-bin/user/list": lambda wecom: wecom.users(1),
    "/cgi-bin/user/list_id": lambda wecom: wecom.user_ids(),
    CONTACT + "get_follow_user_list": lambda wecom: wecom.follow_users(),
    CONTACT + "list": lambda wecom: wecom.contacts_of("rocky"),
    CONTACT + "batch/get_by_user": lambda wecom: wecom.contacts_by_users(["rocky"]),
    CONTACT + "get_corp_tag_list": lambda wecom: wecom.corp_tags(),
    CONTACT + "groupchat/list": lambda wecom: wecom.group_chats(),
    CONTACT + "transfer_result": lambda wecom: wecom.transfer_result(handover="a", takeover="b"),
    "/cgi-bin/idconvert/batch/external_userid_to_pending_id": lambda wecom: wecom.pending_ids(["wm1"]),
}
LISTS = (
    "department", "userlist", "dept_user", "follow_user", "external_userid", "external_contact_list", "tag_group",
    "group_chat_list", "customer", "result",
)  # fmt: skip


@pytest.fixture(autouse=True)
def token(tencent):
    tencent.token("t1", "t2", "t3")


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("errcode", [40014, -1, 45009, 48002, 60011, 40058])
def test_an_error_body_with_an_empty_list_is_an_error(wecom, tencent, path, errcode):
    tencent.answers(path, {"errcode": errcode, "errmsg": "x", **{name: [] for name in LISTS}})
    with pytest.raises(SiyuError):
        READS[path](wecom)


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("body", [{"errcode": 0, "errmsg": "ok"}, {"errcode": 0, **dict.fromkeys(LISTS)}])
def test_an_answer_without_its_list_is_not_an_empty_list(wecom, tencent, path, body):
    tencent.answers(path, body)
    with pytest.raises(AnswerIncomplete):
        READS[path](wecom)


@pytest.mark.parametrize("path", READS)
def test_an_empty_list_is_empty(wecom, tencent, path):
    tencent.answers(path, {"errcode": 0, **{name: [] for name in LISTS}})
    answer = READS[path](wecom)
    assert not (answer if isinstance(answer, tuple | dict) else getattr(answer, "rows", None) or ())


def test_ids_of_everybody(wecom, tencent):
    rows = [{"userid": "zhangsan", "department": 1}, {"userid": "zhangsan", "department": 2}]
    tencent.answers(
        "/cgi-bin/user/list_id",
        {"errcode": 0, "next_cursor": "C", "dept_user": rows},
        {"errcode": 0, "next_cursor": "", "dept_user": [{"userid": "lisi", "department": 2}]},
    )
    first = wecom.user_ids()
    assert first.rows == (("zhangsan", 1), ("zhangsan", 2)) and first.next_cursor == "C"
    second = wecom.user_ids(cursor=first.next_cursor)
    assert second.rows == (("lisi", 2),) and second.next_cursor is None
    assert json.loads(tencent.calls("list_id")[-1].body) == {"cursor": "C", "limit": 10_000}


def test_whom_a_member_leads(wecom, tencent):
    member = {"userid": "z", "name": "张三", "department": [1, 2], "is_leader_in_dept": [0, 1], "status": 1}
    tencent.answers("/cgi-bin/user/get", {"errcode": 0} | member)
    assert wecom.user("z").leader_of == (2,)


def test_the_tag_library(wecom, tencent):
    group = {
        "group_id": "g1", "group_name": "等级", "create_time": 1557838797, "order": 1,
        "tag": [
            {"id": "t1", "name": "金", "create_time": 1557838797, "order": 1, "deleted": False},
            {"id": "t2", "name": "银", "create_time": 1557838797, "order": 2, "deleted": True},
        ],
    }  # fmt: skip
    tencent.answers(CONTACT + "get_corp_tag_list", {"errcode": 0, "tag_group": [group]})
    (found,) = wecom.corp_tags(tag_ids=["t1", "t2"])
    assert (found.id, found.name, found.order, found.deleted) == ("g1", "等级", 1, False)
    assert [(tag.id, tag.name, tag.deleted) for tag in found.tags] == [("t1", "金", False), ("t2", "银", True)]
    assert json.loads(tencent.calls("get_corp_tag_list")[-1].body) == {"tag_id": ["t1", "t2"]}


def test_group_chats_and_one_of_them(wecom, tencent):
    tencent.answers(
        CONTACT + "groupchat/list",
        {"errcode": 0, "group_chat_list": [{"chat_id": "wr1", "status": 0}], "next_cursor": "N"},
    )
    members = [
        {"userid": "abel", "type": 1, "join_time": 1572505491, "join_scene": 1, "invitor": {"userid": "jack"}},
        {"userid": "wm1", "type": 2, "unionid": "o1", "join_scene": 3, "state": "s1", "name": "王语嫣"},
    ]
    chat = {"chat_id": "wr1", "name": "群", "owner": "abel", "create_time": 1572505490, "member_version": "v1"}
    chat |= {"notice": "文明沟通", "admin_list": [{"userid": "sam"}], "member_list": members}
    tencent.answers(CONTACT + "groupchat/get", {"errcode": 0, "group_chat": chat})
    page = wecom.group_chats(owners=["abel"], limit=1)
    assert page.chats == (ListedChat("wr1", 0),) and page.next_cursor == "N"
    found = wecom.group_chat("wr1")
    assert (found.name, found.owner, found.notice, found.admins) == ("群", "abel", "文明沟通", ("sam",))
    staff, customer = found.members
    assert (staff.type, staff.invitor, staff.joined_at) == (1, "jack", datetime.fromtimestamp(1572505491, UTC))
    assert (customer.unionid, customer.join_scene, customer.state, customer.name) == ("o1", 3, "s1", "王语嫣")
    asked = json.loads(tencent.calls("groupchat/get")[-1].body)
    assert asked == {"chat_id": "wr1", "need_name": 1}


def test_a_group_chat_without_its_members_is_no_answer(wecom, tencent):
    tencent.answers(CONTACT + "groupchat/get", {"errcode": 0, "group_chat": {"chat_id": "wr1", "owner": "abel"}})
    with pytest.raises(AnswerIncomplete):
        wecom.group_chat("wr1")


def test_too_many_members_for_a_list_without_owners(wecom, tencent):
    tencent.answers(CONTACT + "groupchat/list", {"errcode": 81017, "errmsg": "too many", "group_chat_list": []})
    with pytest.raises(Rejected) as caught:
        wecom.group_chats()
    assert caught.value.reason == "too_many_objects"


def test_what_became_of_a_transfer(wecom, tencent):
    row = {"external_userid": "wm1", "status": 1, "takeover_time": 1588262400}
    body = {"errcode": 0, "customer": [row, {"external_userid": "wm2", "status": 3, "takeover_time": 0}]}
    tencent.answers(CONTACT + "transfer_result", body | {"next_cursor": ""})
    tencent.answers(CONTACT + "resigned/transfer_result", body | {"next_cursor": "N"})
    page = wecom.transfer_result(handover="a", takeover="b")
    assert page.rows == (
        Transferred("wm1", 1, datetime.fromtimestamp(1588262400, UTC)),
        Transferred("wm2", 3, None),
    )
    assert wecom.transfer_result(handover="a", takeover="b", resigned=True).next_cursor == "N"


def test_customers_of_members_who_have_none(wecom, tencent):
    tencent.answers(CONTACT + "batch/get_by_user", {"errcode": 84061, "external_contact_list": []})
    assert wecom.contacts_by_users(["rocky"]).contacts == ()
    with pytest.raises(Rejected):  # in the middle of a list it is no end of the list
        wecom.contacts_by_users(["rocky"], cursor="C")


def test_remarks(wecom, tencent):
    tencent.answers(CONTACT + "remark", {"errcode": 0})
    wecom.remark(userid="rocky", external_userid="wm1", remark="李部长", mobiles=["13800000001"])
    assert json.loads(tencent.calls("remark")[-1].body) == {
        "userid": "rocky", "external_userid": "wm1", "remark": "李部长", "remark_mobiles": ["13800000001"],
    }  # fmt: skip
    for wrong in ({}, {"remark": "字" * 21}, {"description": "字" * 151}):
        with pytest.raises(MessageInvalid):
            wecom.remark(userid="rocky", external_userid="wm1", **wrong)


def test_pending_ids_of_customers(wecom, tencent):
    path = "/cgi-bin/idconvert/batch/external_userid_to_pending_id"
    tencent.answers(path, {"errcode": 0, "result": [{"external_userid": "wm1", "pending_id": "p1"}]})
    assert wecom.pending_ids(["wm1", "wm2"]) == {"wm1": "p1"}
