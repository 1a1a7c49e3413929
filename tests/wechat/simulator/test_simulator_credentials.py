from __future__ import annotations

import hashlib
import hmac

import pytest

from tests.wechat.simulator.cast import AGENT, APPID, CORP, MINI_SECRET, SECRET, Clock, Tencent, mini_token


def test_gettoken_answers_the_same_token_until_it_expires(tencent: Tencent, clock: Clock) -> None:
    ask = {"corpid": CORP, "corpsecret": SECRET}
    clock.value += 7000
    again = tencent.get("/cgi-bin/gettoken", token=None, **ask)
    assert again["access_token"] == tencent.token and again["expires_in"] == 200
    clock.value += 201
    assert tencent.get("/cgi-bin/user/get", userid="GuideA")["errcode"] == 42001
    assert tencent.get("/cgi-bin/gettoken", token=None, **ask)["access_token"] != tencent.token


@pytest.mark.parametrize(
    ("params", "errcode"),
    [
        ({"corpid": "ww-nobody", "corpsecret": SECRET}, 40013),
        ({"corpid": CORP, "corpsecret": "wrong"}, 40001),
        ({"corpid": CORP}, 41004),
        ({"corpsecret": SECRET}, 41002),
    ],
)
def test_wrong_credentials(tencent: Tencent, params: dict[str, str], errcode: int) -> None:
    assert tencent.get("/cgi-bin/gettoken", token=None, **params)["errcode"] == errcode


def test_repeated_wrong_secrets_ban_the_address_for_an_hour(tencent: Tencent, clock: Clock) -> None:
    for _ in range(100):
        tencent.get("/cgi-bin/gettoken", token=None, corpid=CORP, corpsecret="wrong")
    assert tencent.get("/cgi-bin/gettoken", token=None, corpid=CORP, corpsecret=SECRET)["errcode"] == 45009
    clock.value += 3601
    assert tencent.get("/cgi-bin/gettoken", token=None, corpid=CORP, corpsecret=SECRET)["errcode"] == 0


def test_a_token_is_needed_in_the_query(tencent: Tencent) -> None:
    assert tencent.get("/cgi-bin/externalcontact/list", token=None, userid="GuideA")["errcode"] == 41001
    wrong = tencent.get("/cgi-bin/externalcontact/list", token="nonsense", userid="GuideA")
    assert wrong["errcode"] == 40014 and wrong["external_userid"] == []


def test_stable_token_is_stable_and_forcing_it_kills_the_old_one(tencent: Tencent, clock: Clock) -> None:
    ask = {"grant_type": "client_credential", "appid": APPID, "secret": MINI_SECRET}
    first = tencent.post("/cgi-bin/stable_token", token=None, **ask)
    clock.value += 100
    second = tencent.post("/cgi-bin/stable_token", token=None, **ask)
    assert second["access_token"] == first["access_token"] and second["expires_in"] == 7100
    assert "errcode" not in second
    forced = tencent.post("/cgi-bin/stable_token", token=None, **ask, force_refresh=True)
    assert forced["access_token"] != first["access_token"]
    assert tencent.post("/wxa/msg_sec_check", token=first["access_token"], content="a")["errcode"] == 40001
    clock.value += 6950  # within the last five minutes it is renewed, the old one lives on
    renewed = tencent.post("/cgi-bin/stable_token", token=None, **ask)
    assert renewed["access_token"] != forced["access_token"]
    assert tencent.post("/wxa/msg_sec_check", token=forced["access_token"], content="a")["errcode"] == 0


def test_classic_token_replaces_the_old_one_with_five_minutes_of_overlap(tencent: Tencent, clock: Clock) -> None:
    ask = {"grant_type": "client_credential", "appid": APPID, "secret": MINI_SECRET}
    first = tencent.get("/cgi-bin/token", token=None, **ask)["access_token"]
    second = tencent.get("/cgi-bin/token", token=None, **ask)["access_token"]
    assert first != second
    assert tencent.post("/wxa/msg_sec_check", token=first, content="a")["errcode"] == 0
    clock.value += 301
    assert tencent.post("/wxa/msg_sec_check", token=first, content="a")["errcode"] == 40001
    assert tencent.post("/wxa/msg_sec_check", token=second, content="a")["errcode"] == 0


def session(tencent: Tencent, code: str) -> dict:
    return tencent.get("/sns/jscode2session", token=None, appid=APPID, secret=MINI_SECRET, js_code=code)


def test_a_login_code_works_once_for_five_minutes(tencent: Tencent, clock: Clock) -> None:
    code = tencent.control("codes", kind="login", customer="c1")["code"]
    answer = session(tencent, code)
    assert set(answer) == {"openid", "session_key", "unionid"}
    assert session(tencent, code)["errcode"] == 40163
    assert session(tencent, "invented")["errcode"] == 40029
    late = tencent.control("codes", kind="login", customer="c1")["code"]
    clock.value += 301
    assert session(tencent, late)["errcode"] == 40029
    signature = hmac.new(answer["session_key"].encode(), b"", hashlib.sha256).hexdigest()
    check = {"openid": answer["openid"], "signature": signature, "sig_method": "hmac_sha256"}
    assert tencent.get("/wxa/checksession", token=mini_token(tencent), **check)["errcode"] == 0


def test_a_customer_without_unionid(tencent: Tencent) -> None:
    tencent.control("customers", id="lonely", name="无绑定", unionid=None)
    assert "unionid" not in session(tencent, tencent.control("codes", kind="login", customer="lonely")["code"])


def test_a_phone_code_belongs_to_one_user_and_works_once(tencent: Tencent) -> None:
    token = mini_token(tencent)
    code = tencent.control("codes", kind="phone", customer="c1")["code"]
    other = tencent.engine.world.customers.rows["c2"].openids[APPID]
    path = "/wxa/business/getuserphonenumber"
    assert tencent.post(path, token=token, code=code, openid=other)["errcode"] == 40029
    info = tencent.post(path, token=token, code=code)["phone_info"]
    assert info["purePhoneNumber"] == "13900000001" and info["watermark"]["appid"] == APPID
    assert tencent.post(path, token=token, code=code)["errcode"] == 40029
    tencent.control("customers", id="no-phone", name="无手机")
    tencent.control("codes", 409, kind="phone", customer="no-phone")


def test_oauth_answers_as_the_current_staff(tencent: Tencent) -> None:
    ask = {"appid": CORP, "agentid": AGENT, "redirect_uri": "http://brand.test/cb?a=1", "state": "xyz"}
    choose = tencent.client.get("/connect/oauth2/authorize", query_string=ask)
    assert choose.status_code == 200 and "王芳" in choose.get_data(as_text=True)
    tencent.client.set_cookie("simulator_staff", "GuideA")
    answer = tencent.client.get("/connect/oauth2/authorize", query_string=ask)
    assert answer.status_code == 302
    location = answer.headers["Location"]
    assert location.startswith("http://brand.test/cb?a=1&code=") and location.endswith("state=xyz")
    code = location.split("code=")[1].split("&")[0]
    who = tencent.get("/cgi-bin/auth/getuserinfo", code=code)
    assert who == {"errcode": 0, "errmsg": "ok", "userid": "GuideA"}
    assert tencent.get("/cgi-bin/auth/getuserinfo", code=code)["errcode"] == 40029
    bad = tencent.client.get("/connect/oauth2/authorize", query_string=ask | {"redirect_uri": "javascript:alert(1)"})
    assert bad.status_code == 400


def test_oauth_of_somebody_who_is_no_member(tencent: Tencent) -> None:
    tencent.add("c1")
    code = tencent.control("codes", kind="oauth", customer="c1")["code"]
    who = tencent.get("/cgi-bin/auth/getuserinfo", code=code)
    assert "userid" not in who and who["external_userid"] == tencent.external("c1")


def test_jssdk_tickets_sign(tencent: Tencent) -> None:
    corp = tencent.get("/cgi-bin/get_jsapi_ticket")["ticket"]
    agent = tencent.get("/cgi-bin/ticket/get", type="agent_config")["ticket"]
    assert corp != agent and corp == tencent.get("/cgi-bin/get_jsapi_ticket")["ticket"]
    text = f"jsapi_ticket={agent}&noncestr=n&timestamp=1&url=http://brand.test/"
    facts = {"corp_id": CORP, "agent_id": AGENT, "nonce": "n", "timestamp": "1", "url": "http://brand.test/"}
    signature = hashlib.sha1(text.encode()).hexdigest()
    assert tencent.engine.tokens.signature_matches(kind="agent", signature=signature, **facts)
    assert not tencent.engine.tokens.signature_matches(kind="jsapi", signature=signature, **facts)


def test_dead_codes_are_forgotten_and_live_ones_kept(tencent: Tencent, clock: Clock) -> None:
    codes = tencent.engine.codes
    customer = tencent.engine.world.customers.rows["c1"]
    for _ in range(5000):
        codes.login(customer, APPID)
    clock.value += 4000
    live = [codes.login(customer, APPID) for _ in range(3)]
    assert len(tencent.engine.world.codes) == 3
    assert "openid" in session(tencent, live[0])
