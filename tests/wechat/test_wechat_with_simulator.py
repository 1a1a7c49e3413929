"""The gateways against the simulator's engine: two readings of the same documents must agree."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import responses

from app.wechat.accounts import MiniProgram, WeComApp
from app.wechat.client import Wire
from app.wechat.errors import LoginCodeInvalid, LoginCodeUsed, PhoneCodeForeign, PhoneCodeInvalid, Rejected, Unavailable
from app.wechat.miniprogram import MiniProgramGateway
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.responses_bridge import register
from app.wechat.wecom import Message, Text, WeCom

CORP = WeComApp("ww00000000000000aa", 1000002, "corp-secret")
MINI = MiniProgram("wx00000000000000bb", "mini-secret")


class World:
    def __init__(self, mock: responses.RequestsMock, wire: Wire) -> None:
        self.events: list[dict] = []
        self.engine = Engine(clock=time.time)
        self.control_client = register(mock, self.engine).test_client()
        self.engine.world.on_event = lambda _receiver, fields: self.events.append(fields)
        self.wecom, self.mini = WeCom(CORP, wire), MiniProgramGateway(MINI, wire)
        self.control(
            "seed",
            corps=[{"corp_id": CORP.corp_id, "apps": [{"agent_id": CORP.agent_id, "secret": CORP.secret}]}],
            miniprograms=[{"appid": MINI.appid, "secret": MINI.secret}],
            departments=[{"id": 2, "name": "南京西路店", "parentid": 1}],
            staff=[{"userid": "GuideA", "name": "王芳", "departments": [2]}, {"userid": "guide-b", "name": "李娜"}],
            customers=[{"id": f"c{n}", "name": f"顾客{n}", "phone": f"1390000000{n}"} for n in range(4)],
        )

    def control(self, path: str, **values) -> dict:
        answer = self.control_client.post(f"/_control/{path}", json=values)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def code(self, kind: str, **values) -> str:
        return self.control("codes", kind=kind, **values)["code"]


@pytest.fixture
def world(wire) -> Iterator[World]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield World(mock, wire)


def test_a_new_customer_is_fetched_and_greeted_once(world):
    world.control("contacts", staff="GuideA", customers=["c1"], state="store-1")
    (event,) = world.events
    contact = world.wecom.contact(event["ExternalUserID"])
    assert contact.name == "顾客1" and contact.unionid
    assert [(follow.userid, follow.state) for follow in contact.follows] == [("GuideA", "store-1")]
    world.wecom.send_welcome(event["WelcomeCode"], Message("欢迎光临"))
    with pytest.raises(Rejected) as caught:
        world.wecom.send_welcome(event["WelcomeCode"], Message("欢迎光临"))
    assert caught.value.reason == "welcome_already_handled"
    assert world.wecom.contacts_of("GuideA") == (contact.external_userid,)
    assert world.wecom.contacts_of("guide-b") == ()
    assert set(world.wecom.follow_users()) == {"GuideA", "guide-b"}
    page = world.wecom.contacts_by_users(["GuideA"])
    assert [row.external_userid for row in page.contacts] == [contact.external_userid]


def test_login_by_code_works_once(world):
    code = world.code("login", customer="c1")
    session = world.mini.code_to_session(code)
    assert session.openid and session.unionid and session.session_key
    with pytest.raises(LoginCodeUsed):
        world.mini.code_to_session(code)
    with pytest.raises(LoginCodeInvalid):
        world.mini.code_to_session("made-up")


def test_a_phone_code_belongs_to_its_user(world):
    openid = world.mini.code_to_session(world.code("login", customer="c1")).openid
    phone = world.mini.phone_number(world.code("phone", customer="c1"), openid=openid)
    assert (phone.number, phone.country_code) == ("+8613900000001", "86")
    with pytest.raises((PhoneCodeForeign, PhoneCodeInvalid)):
        world.mini.phone_number(world.code("phone", customer="c2"), openid=openid)


def test_a_visitor_of_the_sidebar(world):
    assert world.wecom.visitor_from_code(world.code("oauth", staff="GuideA")).userid == "GuideA"
    code = world.code("oauth", customer="c1")
    visitor = world.wecom.visitor_from_code(code)
    assert visitor.userid is None and visitor.openid
    with pytest.raises((LoginCodeInvalid, LoginCodeUsed)):
        world.wecom.visitor_from_code(code)
    assert world.wecom.agent_config("https://siyu.example/sidebar").signature


def test_a_mass_send_waits_for_the_member(world):
    added = world.control("contacts", staff="GuideA", customers=["c1", "c2"])["contacts"]
    receivers = [event["ExternalUserID"] for event in world.events]
    assert len(added) == 2
    created = world.wecom.create_mass_send(Message("新品到店"), sender="GuideA", external_userids=receivers)
    world.control("clock", advance=120)
    assert [row.status for row in world.wecom.mass_send_members(created.msgid).rows] == [0]
    world.control("mass/confirm", msgid=created.msgid, staff="GuideA")
    assert [row.status for row in world.wecom.mass_send_members(created.msgid).rows] == [2]
    results = world.wecom.mass_send_results(created.msgid, userid="GuideA").rows
    assert {row.external_userid for row in results} == set(receivers) and {row.status for row in results} == {1}


def test_notices_departments_and_media(world):
    sent = world.wecom.send_app_message(["GuideA", "Nobody"], Text("今天有三位顾客待跟进"))
    assert sent.msgid and sent.invalid_users == ("Nobody",)
    assert "南京西路店" in [department.name for department in world.wecom.departments()]
    assert [user.userid for user in world.wecom.users(2)] == ["GuideA"]
    assert world.wecom.user("GuideA").name == "王芳"
    media = world.wecom.upload_media("image", filename="a.png", content=b"\x89PNG....", content_type="image/png")
    assert media.media_id


def test_a_mini_program_code_is_an_image(world):
    assert world.mini.wxacode_unlimited(scene="c=Ab1").startswith(b"\x89PNG")


def test_tokens_that_end_early_and_a_busy_server_are_not_noticed_above(world):
    world.control("contacts", staff="GuideA", customers=["c1"])
    contact = world.events[0]["ExternalUserID"]
    world.wecom.contact(contact)
    world.control("tokens/expire")
    world.control("faults", api="externalcontact/get", errcode=-1, count=1)
    assert world.wecom.contact(contact).external_userid == contact
    world.control("faults", api="externalcontact/get", html=True, count=3)
    with pytest.raises(Unavailable):
        world.wecom.contact(contact)
    world.control("contacts/delete", staff="GuideA", customer="c1")
    with pytest.raises(Rejected) as caught:
        world.wecom.contact(contact)
    assert caught.value.reason in ("relation_gone", "contact_unknown")
