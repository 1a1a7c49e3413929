"""The H5 entrance over HTTP: only the browser that was sent away, and one human with the mini-program."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
import time_machine
from factories import AES_KEY, make_world
from invariants import broken
from sqlalchemy import func, select

from app.channels.codes import commands as codes
from app.channels.codes.models import Arrival
from app.core import clock
from app.core.db import session
from app.core.transaction import transaction
from app.identity import queries as identity
from app.identity.models import IdentityRow, Person
from app.identity.rules import Identity
from app.members.models import Member
from app.org import commands as org
from app.wechat.simulator.sender import envelope

BASE = "/api/miniapp/v1/official"
APPID = "wxofficial01"
PHONE = "13712345678"


@pytest.fixture(autouse=True)
def nothing_broken(app):  # type: ignore[no-untyped-def]
    yield
    assert broken("identity.", "members.", "channels.") == []


class Browser:
    """WeChat's browser on somebody's phone."""

    def __init__(self, tencent: Any, name: str) -> None:
        self.tencent, self.client, self.name, self.token = tencent, tencent.client, name, ""

    def start(self, **query: str) -> str:
        """Open the entrance; the state WeChat was given."""
        answer = self.client.get(f"{BASE}/start", query_string=query)
        assert answer.status_code == 302, answer.get_data(as_text=True)
        self.sent_to = answer.location
        return parse_qs(urlsplit(answer.location).query)["state"][0]

    def code(self, scope: str = "snsapi_base", **values: Any) -> str:
        return self.tencent.engine.codes.web(self.tencent.customer(self.name), APPID, scope, **values)

    def back(self, state: str, code: str) -> Any:
        answer = self.client.get(f"{BASE}/callback?{urlencode({'code': code, 'state': state})}")
        if answer.status_code == 200:
            self.token = re.search(r'data-token="([^"]+)"', answer.get_data(as_text=True)).group(1)
        return answer

    def enter(self, scope: str = "snsapi_base", **query: str) -> Any:
        return self.back(self.start(**query), self.code(scope))

    def me(self) -> Any:
        return self.client.get("/api/miniapp/v1/me", headers={"Authorization": f"Bearer {self.token}"}).json


@pytest.fixture
def web(tencent, world) -> Browser:
    with transaction():
        org.set_account(
            brand_id=world.brand_id,
            kind="official",
            namespace=APPID,
            open_platform="open1",
            secret="official-secret",
            callback_token="push-token",
            callback_aes_key=AES_KEY,
        )
    tencent.engine.directory.put_mini({"appid": APPID, "secret": "official-secret", "kind": "official"})
    tencent.customer("anna", phone=PHONE)
    return Browser(tencent, "anna")


def log_in(tencent: Any, name: str) -> dict[str, str]:
    """Log in to the mini-program; the headers of the session."""
    body = {"appid": tencent.appid, "code": tencent.login_code(name)}
    token = tencent.client.post("/api/miniapp/v1/login", json=body).json["token"]
    return {"Authorization": f"Bearer {token}"}


def bind(tencent: Any, name: str) -> str:
    """Bind the phone in the mini-program; the member's public id."""
    body, headers = {"code": tencent.phone_code(name)}, log_in(tencent, name)
    return str(tencent.client.post("/api/miniapp/v1/phone", json=body, headers=headers).json["id"])


def follow_account(tencent: Any, name: str) -> None:
    openid = tencent.customer(name).openids[APPID]
    tencent.engine.world.set_value(f"follower|{APPID}|{openid}", 1_700_000_000)


def count(model: type) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_away_and_back(web, tencent) -> None:
    answer = web.enter()
    assert answer.status_code == 200 and "会员中心" in answer.get_data(as_text=True)
    asked = urlsplit(web.sent_to)
    assert f"{asked.scheme}://{asked.netloc}{asked.path}" == "http://open.test/connect/oauth2/authorize"
    assert list(parse_qs(asked.query)) == ["appid", "redirect_uri", "response_type", "scope", "state"]
    assert parse_qs(asked.query)["redirect_uri"] == [f"http://127.0.0.1:8000{BASE}/callback"]
    assert re.fullmatch(r"[0-9a-f]{72}", parse_qs(asked.query)["state"][0])
    assert web.me()["bound"] is False and count(Member) == 0
    assert (
        answer.headers["Cache-Control"] == "private, no-store"
        and "unsafe" not in answer.headers["Content-Security-Policy"]
    )
    openid = tencent.customer("anna").openids[APPID]
    assert openid not in answer.get_data(as_text=True)


def test_a_member_of_the_mini_program_is_one_here_at_once(web, tencent) -> None:
    follow_account(tencent, "anna")
    member = bind(tencent, "anna")
    web.enter()
    assert web.me()["member"]["id"] == member and count(Member) == 1
    assert len({identity.resolve(person) for person in session.scalars(select(Person.person_id))}) == 1


def test_who_binds_later_in_the_mini_program_is_a_member_here_with_the_same_token(web, tencent) -> None:
    web.enter("snsapi_userinfo", profile="1")
    assert parse_qs(urlsplit(web.sent_to).query)["scope"] == ["snsapi_userinfo"]
    member = bind(tencent, "anna")
    assert web.me()["member"]["id"] == member and count(Member) == 1


def test_without_a_unionid_the_visitor_is_somebody_and_becomes_one_when_it_comes(web, tencent) -> None:
    log_in(tencent, "anna")
    web.enter()  # no follower, silent: WeChat says no unionid
    openid = Identity("openid", APPID, tencent.customer("anna").openids[APPID])
    apart = identity.person_of(openid)
    assert apart != identity.person_of(Identity("unionid", "open1", tencent.customer("anna").unionid))
    follow_account(tencent, "anna")
    web.enter()
    assert identity.person_of(openid) == identity.person_of(
        Identity("unionid", "open1", tencent.customer("anna").unionid)
    )


def test_a_slow_list_of_followers_does_not_keep_anybody_out(web, tencent) -> None:
    tencent.engine.faults.inject({"api": "user/info", "http_status": 502, "count": 9})
    assert web.enter().status_code == 200


def test_a_preview_makes_nobody(web) -> None:
    answer = web.back(web.start(), web.code(snapshot=True))
    assert answer.status_code == 403 and "使用完整服务" in answer.get_data(as_text=True)
    assert count(Person) == 0 and count(IdentityRow) == 0


@pytest.mark.parametrize(
    "wrong", ["state", "no_state", "cookie", "no_cookie", "other_browser", "late", "code", "used", "brand"]
)
def test_nobody_else_gets_in(web, tencent, wrong: str) -> None:
    state, code, status = web.start(), web.code(), 403
    if wrong == "state":
        state = "0" * 72
    elif wrong == "no_state":
        state = ""
    elif wrong == "cookie":
        web.client.set_cookie("siyu_official", f"{'0' * 32}|{APPID}|", path=BASE)
    elif wrong == "no_cookie":
        web.client.delete_cookie("siyu_official", path=BASE)
    elif wrong == "other_browser":
        state, code = Browser(tencent, "anna").start(), web.code()
        web.start()  # this browser's cookie is of another start now
    elif wrong == "late":
        with time_machine.travel(clock.now() + timedelta(minutes=11)):
            assert web.back(state, code).status_code == 403
        return
    elif wrong == "code":
        code, status = "made-up", 401
    elif wrong == "used":
        web.back(state, code)
        state, status = web.start(), 401
    elif wrong == "brand":
        web.client.set_cookie("siyu_official", f"{'0' * 32}|wxnobody|", path=BASE)
    persons = count(Person)
    answer = web.back(state, code)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "text/html" and "打不开页面" in answer.get_data(as_text=True)
    assert count(Person) == persons


def test_the_entrance_says_which_account(web, world) -> None:
    assert web.client.get(f"{BASE}/start?appid=wxnobody").status_code == 404
    assert web.client.get(f"{BASE}/start?appid={APPID}").status_code == 302
    other = make_world()
    with transaction():
        org.set_account(
            brand_id=other.brand_id,
            kind="official",
            namespace="wxofficial02",
            open_platform="open1",
            secret="s",
            callback_token="t",
            callback_aes_key=AES_KEY,
        )
    assert web.client.get(f"{BASE}/start").status_code == 404
    assert "打不开页面" in web.client.get(f"{BASE}/start").get_data(as_text=True)


def test_hostile_addresses_are_refused(web) -> None:
    web.start()
    for query in ("state=%00&code=%00", "state=" + "f" * 5000, "code=" + "x" * 5000, "state=%F0%9F%98%80&code=a"):
        assert web.client.get(f"{BASE}/callback?{query}").status_code == 403
    web.client.set_cookie("siyu_official", "|" * 50, path=BASE)
    assert web.client.get(f"{BASE}/callback?state=1&code=2").status_code == 403


def test_wechats_silence_is_503_and_changes_nothing(web, tencent) -> None:
    state = web.start()
    tencent.engine.faults.inject({"api": "sns/oauth2/access_token", "http_status": 502, "count": 1})
    code = web.code()
    answer = web.back(state, code)
    assert answer.status_code == 503 and "微信暂时没有响应" in answer.get_data(as_text=True) and count(Person) == 0
    assert web.back(state, code).status_code == 200  # the cookie is still there


def test_the_simulators_own_page_brings_a_browser_back(web, tencent) -> None:
    """As a person would go: to WeChat's page, and from there to ours."""
    web.start()
    where = urlsplit(web.sent_to)
    page = requests.get(f"http://wechat.test{where.path}?{where.query}&customer=anna", allow_redirects=False)
    assert page.status_code == 302, page.text
    came = urlsplit(page.headers["Location"])
    answer = web.client.get(f"{came.path}?{came.query}")
    assert answer.status_code == 200


def test_the_shopper_of_the_official_account_binds_no_phone_of_the_mini_program(web, tencent) -> None:
    web.enter()
    answer = web.client.post(
        "/api/miniapp/v1/phone",
        json={"code": tencent.phone_code("anna")},
        headers={"Authorization": f"Bearer {web.token}"},
    )
    assert answer.status_code == 401 and count(Member) == 0


def test_following_by_a_qr_code_counts_for_its_channel_code(web, tencent, world, run_work) -> None:
    with transaction():
        code = codes.create_code(brand_id=world.brand_id, kind="miniprogram", name="门店海报", state="poster-1").id
    openid = tencent.customer("anna").openids[APPID]
    follow_account(tencent, "anna")
    tencent.engine.directory.put_target(
        {"receiver": APPID, "url": f"/hooks/official/{APPID}", "token": "push-token", "aes_key": AES_KEY}
    )
    fields = {
        "ToUserName": "gh_1",
        "FromUserName": openid,
        "CreateTime": int(clock.now().timestamp()),
        "MsgType": "event",
        "Event": "subscribe",
        "EventKey": "qrscene_poster-1",
        "Ticket": "T",
    }
    target = tencent.engine.world.targets.rows[APPID]
    url, body, headers, query = envelope(target, fields, mini=True)
    for _ in range(2):
        assert tencent.client.post(url, data=body, headers=headers, query_string=query).status_code == 200
    run_work()
    (arrival,) = session.scalars(select(Arrival))
    assert (arrival.code_id, arrival.kind) == (code, "opened")
    assert arrival.person_id == identity.person_of(Identity("openid", APPID, openid))
