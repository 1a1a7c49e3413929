"""The WeCom gateway against answers shaped like the documented samples."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app.wechat.errors import LoginCodeInvalid, LoginCodeUsed, MessageInvalid, Rejected, Unavailable
from app.wechat.wecom import (
    File,
    Image,
    Link,
    Message,
    MiniProgramCard,
    MiniProgramNotice,
    TemplateCard,
    Text,
    TextCard,
    Video,
    Visitor,
)
from app.wechat.wecom.visitors import jsapi_signature

VECTORS = json.loads((Path(__file__).parent / "samples" / "vectors.json").read_text())
CONTACT = "/cgi-bin/externalcontact/"


@pytest.fixture(autouse=True)
def token(tencent):
    tencent.token("t1")


def body(tencent, path: str) -> dict:
    return json.loads(tencent.calls(path)[-1].body)


class TestContacts:
    def test_a_contact_with_two_followers(self, wecom, tencent):
        tencent.answers(
            CONTACT + "get",
            {
                "errcode": 0,
                "errmsg": "ok",
                "external_contact": {
                    "external_userid": "wm1",
                    "name": "李四",
                    "avatar": "http://p.qlogo.cn/0",
                    "type": 1,
                    "gender": 1,
                    "unionid": "union1",
                    "is_subscribe": 1,
                    "external_profile": {"external_attr": []},
                },
                "follow_user": [
                    {
                        "userid": "rocky",
                        "remark": "李部长",
                        "description": "对接采购事务",
                        "createtime": 1525779812,
                        "tags": [
                            {"group_name": "g", "tag_name": "t", "tag_id": "et1", "type": 1},
                            {"group_name": "g", "tag_name": "personal", "type": 2},
                        ],
                        "remark_mobiles": ["13800000001"],
                        "oper_userid": "rocky",
                        "add_way": 10,
                        "wechat_channels": {"nickname": "x"},
                    },
                    {"userid": "tommy", "createtime": 1525881637, "state": "外联二维码1", "add_way": 24},
                ],
                "next_cursor": "NEXT",
            },
        )
        got = wecom.contact("wm1")
        assert (got.external_userid, got.name, got.type, got.gender, got.unionid) == ("wm1", "李四", 1, 1, "union1")
        first, second = got.follows
        assert first.created_at == datetime.fromtimestamp(1525779812, UTC)
        assert first.tag_ids == ("et1",) and first.mobiles == ("13800000001",) and first.state is None
        assert second.state == "外联二维码1" and second.add_way == 24 and second.remark == ""
        assert got.next_cursor == "NEXT"

    def test_a_contact_of_an_unbound_account_has_no_unionid(self, wecom, tencent):
        tencent.answers(
            CONTACT + "get", {"errcode": 0, "external_contact": {"external_userid": "wm1"}, "follow_user": []}
        )
        got = wecom.contact("wm1")
        assert got.unionid is None and got.follows == () and got.next_cursor is None

    def test_a_relation_that_is_gone(self, wecom, tencent):
        tencent.answers(CONTACT + "get", {"errcode": 84061, "errmsg": "not external contact"})
        tencent.answers(CONTACT + "list", {"errcode": 84061, "errmsg": "not external contact"})
        with pytest.raises(Rejected) as caught:
            wecom.contact("wm1")
        assert caught.value.reason == "relation_gone"
        assert wecom.contacts_of("rocky") == ()

    def test_an_answer_without_the_contact_is_the_server_being_unwell(self, wecom, tencent):
        tencent.answers(CONTACT + "get", {"errcode": 0, "errmsg": "ok"})
        with pytest.raises(Unavailable):
            wecom.contact("wm1")

    def test_a_page_of_contacts_by_members(self, wecom, tencent):
        row = {
            "external_contact": {"external_userid": "wm1", "name": "李四", "type": 1, "gender": 0},
            "follow_info": {"userid": "rocky", "createtime": 1525779812, "tag_id": ["et1", "st1"], "add_way": 1},
        }
        answer = {"errcode": 0, "external_contact_list": [row, row], "next_cursor": ""}
        tencent.answers(CONTACT + "batch/get_by_user", answer)
        page = wecom.contacts_by_users(["rocky"])
        assert len(page.contacts) == 2 and page.next_cursor is None
        assert page.contacts[0].follows[0].tag_ids == ("et1", "st1")

    def test_tags(self, wecom, tencent):
        tencent.answers(CONTACT + "mark_tag", {"errcode": 0})
        wecom.mark_tag(userid="rocky", external_userid="wm1", add=["et1"])
        assert body(tencent, "mark_tag")["add_tag"] == ["et1"]
        with pytest.raises(MessageInvalid):
            wecom.mark_tag(userid="rocky", external_userid="wm1")

    def test_unionid_to_customer_or_pending(self, wecom, tencent):
        path = "/cgi-bin/idconvert/unionid_to_external_userid"
        tencent.answers(path, {"errcode": 0, "external_userid": "wm1"}, {"errcode": 0, "pending_id": "p1"})
        assert wecom.unionid_to_external_userid(unionid="u", openid="o").external_userid == "wm1"
        assert wecom.unionid_to_external_userid(unionid="u", openid="o").pending_id == "p1"


class TestMessages:
    def test_a_welcome_with_every_kind_of_attachment(self, wecom, tencent):
        tencent.answers(CONTACT + "send_welcome_msg", {"errcode": 0})
        attachments = (
            Image(media_id="M"),
            Link("标题", "https://example.com", desc="说明"),
            MiniProgramCard("标题", "M", "wx1", "pages/index"),
            Video("M"),
            File("M"),
        )
        wecom.send_welcome("CODE", Message("您好", attachments))
        sent = body(tencent, "send_welcome_msg")
        assert sent["welcome_code"] == "CODE" and sent["text"] == {"content": "您好"}
        assert [entry["msgtype"] for entry in sent["attachments"]] == ["image", "link", "miniprogram", "video", "file"]
        assert "您好".encode() in tencent.calls("send_welcome_msg")[0].body

    @pytest.mark.parametrize(
        "message",
        [
            Message(),
            Message("好" * 1334),
            Message("x", (Image(media_id="M"),) * 10),
            Message("x", (Image(),)),
            Message("x", (Link("好" * 43, "https://a"),)),
            Message("x", (MiniProgramCard("好" * 22, "M", "wx", "p"),)),
            Message("x", (MiniProgramCard("t", "", "wx", "p"),)),
        ],
    )
    def test_content_over_the_limits_is_not_sent(self, wecom, tencent, message):
        with pytest.raises(MessageInvalid) as caught:
            wecom.send_welcome("CODE", message)
        assert caught.value.data["field"] and not tencent.mock.calls

    def test_a_mass_send_and_what_became_of_it(self, wecom, tencent):
        tencent.answers(CONTACT + "add_msg_template", {"errcode": 0, "fail_list": ["wm2"], "msgid": "msg1"})
        tencent.answers(
            CONTACT + "get_groupmsg_task",
            {
                "errcode": 0,
                "next_cursor": "C",
                "task_list": [
                    {"userid": "zhangsan", "status": 2, "send_time": 1552536375},
                    {"userid": "lisi", "status": 0},
                ],
            },
        )
        result = {
            "external_userid": "wm1",
            "chat_id": "wr1",
            "userid": "zhangsan",
            "status": "1",
            "send_time": 1552536375,
        }
        tencent.answers(CONTACT + "get_groupmsg_send_result", {"errcode": 0, "next_cursor": "", "send_list": [result]})
        created = wecom.create_mass_send(Message("x"), sender="zhangsan", external_userids=["wm1", "wm2"])
        assert (created.msgid, created.failed) == ("msg1", ("wm2",))
        members = wecom.mass_send_members("msg1")
        assert [row.status for row in members.rows] == [2, 0] and members.rows[1].sent_at is None
        receivers = wecom.mass_send_results("msg1", userid="zhangsan")
        assert receivers.rows[0].external_userid == "wm1" and receivers.rows[0].status == 1
        assert receivers.next_cursor is None


class TestNotices:
    SEND = "/cgi-bin/message/send"

    def test_invalid_users_come_back_as_we_wrote_them(self, wecom, tencent):
        answer = {"errcode": 0, "invaliduser": "zhangsan|lisi", "unlicenseduser": "wangwu", "msgid": "m1"}
        tencent.answers(self.SEND, answer)
        sent = wecom.send_app_message(["ZhangSan", "LiSi", "zhaoliu", "WangWu"], Text("新任务"))
        assert (
            sent.invalid_users == ("ZhangSan", "LiSi", "WangWu") and sent.msgid == "m1" and sent.response_code is None
        )
        assert body(tencent, self.SEND)["touser"] == "ZhangSan|LiSi|zhaoliu|WangWu"
        assert body(tencent, self.SEND)["agentid"] == 1000002

    def test_every_kind(self, wecom, tencent):
        tencent.answers(self.SEND, {"errcode": 0, "msgid": "m1", "response_code": "rc"})
        notices = [
            TextCard("任务", "今天有三位顾客待跟进", "https://example.com/t"),
            MiniProgramNotice("wx1", "今日待办任务", items=(("顾客", "3 位"),)),
            TemplateCard("button_interaction", {"button_list": [{"text": "完成", "key": "done"}]}, task_id="task_1"),
        ]
        for notice in notices:
            assert wecom.send_app_message(["zhangsan"], notice, dedupe_seconds=1800).response_code == "rc"
        assert body(tencent, self.SEND)["template_card"]["task_id"] == "task_1"
        assert body(tencent, self.SEND)["enable_duplicate_check"] == 1

    @pytest.mark.parametrize(
        "notice",
        [
            Text("好" * 683),
            Text(""),
            TextCard("t" * 129, "d", "https://a"),
            TextCard("t", "d", "https://a", "五个字太长"),
            MiniProgramNotice("wx1", "短"),
            MiniProgramNotice("wx1", "今日待办任务", items=(("k", "v"),) * 11),
            TemplateCard("button_interaction", {}),
            TemplateCard("text_notice", {"jump_list": [1, 2, 3, 4]}),
            TemplateCard("unheard_of", {}),
        ],
    )
    def test_content_over_the_limits_is_not_sent(self, wecom, tencent, notice):
        with pytest.raises(MessageInvalid):
            wecom.send_app_message(["zhangsan"], notice)
        assert not tencent.mock.calls

    @pytest.mark.parametrize("userids", [[], ["@all"], ["a|b"], ["u"] * 1001])
    def test_receivers_are_single_members(self, wecom, tencent, userids):
        with pytest.raises(MessageInvalid):
            wecom.send_app_message(userids, Text("x"))

    def test_media(self, wecom, tencent):
        tencent.answers("/cgi-bin/media/upload", {"errcode": 0, "media_id": "M1", "created_at": "1380000000"})
        media = wecom.upload_media("image", filename="a.png", content=b"123456", content_type="image/png")
        assert media.media_id == "M1" and media.created_at == datetime.fromtimestamp(1380000000, UTC)
        request = tencent.calls("/media/upload")[0]
        assert request.params["type"] == "image" and b'name="media"; filename="a.png"' in request.body
        for content in (b"12345", b"x" * (10 << 20 | 1)):
            with pytest.raises(MessageInvalid):
                wecom.upload_media("image", filename="a.png", content=content, content_type="image/png")


class TestDirectory:
    def test_departments_and_members(self, wecom, tencent):
        row = {"id": 2, "name": "华东", "parentid": 1, "order": 10, "department_leader": ["zhangsan"]}
        tencent.answers("/cgi-bin/department/list", {"errcode": 0, "department": [row]})
        member = {"userid": "zhangsan", "name": "张三", "department": [1, 2], "main_department": 1, "status": 1}
        tencent.answers("/cgi-bin/user/list", {"errcode": 0, "userlist": [member]})
        tencent.answers("/cgi-bin/user/get", {"errcode": 0} | member)
        assert wecom.departments(1)[0].leaders == ("zhangsan",)
        assert wecom.users(2)[0] == wecom.user("zhangsan")
        assert wecom.user("zhangsan").departments == (1, 2)


class TestVisitors:
    INFO = "/cgi-bin/auth/getuserinfo"

    def test_a_member_an_outsider_and_a_customer(self, wecom, tencent):
        tencent.answers(
            self.INFO,
            {"errcode": 0, "userid": "zhangsan", "user_ticket": "T", "openid": "O", "external_userid": "E"},
            {"errcode": 0, "openid": "O"},
            {"errcode": 0, "openid": "O", "external_userid": "wm1"},
        )
        assert wecom.visitor_from_code("c1") == Visitor("zhangsan", None, None)
        assert wecom.visitor_from_code("c2") == Visitor(None, "O", None)
        assert wecom.visitor_from_code("c3") == Visitor(None, "O", "wm1")

    @pytest.mark.parametrize(
        ("errcode", "error"), [(40029, LoginCodeInvalid), (42003, LoginCodeInvalid), (42022, LoginCodeUsed)]
    )
    def test_a_bad_code(self, wecom, tencent, errcode, error):
        tencent.answers(self.INFO, {"errcode": errcode, "errmsg": "invalid code"})
        with pytest.raises(error):
            wecom.visitor_from_code("c")
        assert len(tencent.calls(self.INFO)) == 1

    def test_an_absent_code_needs_no_call(self, wecom, tencent):
        with pytest.raises(LoginCodeInvalid):
            wecom.visitor_from_code("")

    def test_the_authorize_url(self, wecom):
        url = wecom.authorize_url("https://siyu.example/sidebar?a=1", "state-1")
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        assert parts.netloc == "open.weixin.qq.com" and parts.fragment == "wechat_redirect"
        assert query["redirect_uri"] == ["https://siyu.example/sidebar?a=1"] and query["agentid"] == ["1000002"]
        assert list(query) == ["appid", "redirect_uri", "response_type", "scope", "state", "agentid"]
        with pytest.raises(MessageInvalid):
            wecom.authorize_url("https://siyu.example", "s" * 129)

    def test_the_published_signature(self):
        vector = VECTORS["jssdk"][0]
        signed = jsapi_signature(
            ticket=vector["jsapi_ticket"],
            nonce=vector["noncestr"],
            timestamp=vector["timestamp"],
            url=vector["url"] + "#/a/fragment/that/does/not/count",
        )
        assert signed == vector["expected_signature"]
