from __future__ import annotations

import io

from tests.wechat.simulator.cast import AGENT, APPID, Clock, Tencent, mini_token


def test_app_messages_reach_members_and_the_excess_is_silently_lost(tencent: Tencent) -> None:
    message = {"msgtype": "text", "agentid": AGENT, "text": {"content": "新任务"}}
    answer = tencent.post("/cgi-bin/message/send", touser="guidea|Nobody", **message)
    assert answer["errcode"] == 0 and answer["invaliduser"] == "nobody" and answer["msgid"]
    for _ in range(30):
        assert tencent.post("/cgi-bin/message/send", touser="GuideA", **message)["errcode"] == 0
    rows = tencent.client.get("/_control/sent?kind=app&to=GuideA").get_json()["rows"]
    assert [r["dropped"] for r in rows] == [False] * 30 + [True]
    assert tencent.post("/cgi-bin/message/send", touser="nobody", **message)["errcode"] == 81013
    assert tencent.post("/cgi-bin/message/send", touser="GuideA", **message | {"agentid": 1})["errcode"] == 301002


def test_a_mass_message_waits_for_the_member_and_honours_the_monthly_cap(tencent: Tencent) -> None:
    tencent.add("c1", "c2", "c3")
    tencent.control("corps", corp_id=tencent.engine.directory.default_corp(), monthly_receive_cap=1)
    everyone = [tencent.external(c) for c in ("c1", "c2", "c3")]
    body = {"chat_type": "single", "text": {"content": "周末见"}}
    made = tencent.contact("add_msg_template", **body, external_userid=[*everyone, "wmNobody"], sender="GuideA")
    assert made["fail_list"] == ["wmNobody"]
    assert tencent.contact("get_groupmsg_task", msgid=made["msgid"])["task_list"] == [{"userid": "GuideA", "status": 0}]
    results = tencent.contact("get_groupmsg_send_result", msgid=made["msgid"], userid="GuideA")["send_list"]
    assert [r["status"] for r in results] == [0, 0, 0]
    tencent.control("contacts/unfollow", staff="GuideA", customer="c3")
    confirmed = tencent.control("mass/confirm", msgid=made["msgid"], staff="GuideA")
    assert confirmed == {"sent": 2, "not_friend": 1, "capped": 0}
    tencent.control("mass/confirm", 409, msgid=made["msgid"], staff="GuideA")
    second = tencent.contact("add_msg_template", **body, external_userid=everyone[:1])
    assert tencent.control("mass/confirm", msgid=second["msgid"], staff="GuideA")["capped"] == 1
    results = tencent.contact("get_groupmsg_send_result", msgid=second["msgid"], userid="GuideA")["send_list"]
    assert [r["status"] for r in results] == [3]
    assert tencent.contact("add_msg_template", **body, external_userid=["wmNobody"])["errcode"] == 41048


def test_a_mass_message_dispatches_is_reminded_and_cancelled(tencent: Tencent, clock: Clock) -> None:
    tencent.add("c1")
    tencent.control("corps", corp_id=tencent.engine.directory.default_corp(), dispatch_seconds=5)
    made = tencent.contact("add_msg_template", text={"content": "a"}, external_userid=[tencent.external("c1")])
    assert tencent.contact("get_groupmsg_task", msgid=made["msgid"])["errcode"] == 41063
    clock.value += 6
    assert tencent.contact("get_groupmsg_task", msgid=made["msgid"])["errcode"] == 0
    answers = [tencent.contact("remind_groupmsg_send", msgid=made["msgid"])["errcode"] for _ in range(4)]
    assert answers == [0, 0, 0, 41094]
    span = {"chat_type": "single", "start_time": int(clock.value) - 60, "end_time": int(clock.value)}
    assert len(tencent.contact("get_groupmsg_list_v2", **span)["group_msg_list"]) == 1
    tencent.contact("cancel_groupmsg_send", msgid=made["msgid"])
    assert tencent.contact("get_groupmsg_task", msgid=made["msgid"])["errcode"] == 41093


def test_a_subscribe_message_needs_an_accepted_prompt(tencent: Tencent) -> None:
    openid = tencent.engine.world.customers.rows["c1"].openids[APPID]
    message = {"touser": openid, "template_id": "T1", "data": {"thing1": {"value": "优惠券到账"}}}
    token, path = mini_token(tencent), "/cgi-bin/message/subscribe/send"
    assert tencent.post(path, token=token, **message)["errcode"] == 43101
    tencent.control("subscriptions", customer="c1", answers={"T1": True, "T2": False})
    popup = tencent.events[-1]
    assert popup[0] == APPID and len(popup[1]["SubscribeMsgPopupEvent"]["List"]) == 2
    long = message | {"data": {"thing1": {"value": "长" * 21}}}
    assert tencent.post(path, token=token, **long)["errcode"] == 47003
    assert tencent.post(path, token=token, **message)["errcode"] == 0
    assert tencent.events[-1][1]["Event"] == "subscribe_msg_sent_event"
    assert tencent.post(path, token=token, **message)["errcode"] == 43101


def test_media_and_codes(tencent: Tencent) -> None:
    upload = {"media": (io.BytesIO(b"\x89PNG-not-really"), "coat.png")}
    query = {"access_token": tencent.token, "type": "image"}
    made = tencent.client.post("/cgi-bin/media/upload", query_string=query, data=upload).get_json()
    got = tencent.client.get("/cgi-bin/media/get", query_string=query | {"media_id": made["media_id"]})
    assert got.get_data() == b"\x89PNG-not-really"
    token = mini_token(tencent)
    ask = {"query_string": {"access_token": token}, "json": {"scene": "c=8Zk", "page": "pages/coupon/claim"}}
    assert tencent.client.post("/wxa/getwxacodeunlimit", **ask).get_data().startswith(b"\x89PNG")
    assert tencent.post("/wxa/getwxacodeunlimit", token=token, scene="中文")["errcode"] == 40129
