"""The official account's gateway: web login, previews, profiles, followers, QR codes."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from app.wechat.accounts import OfficialAccount
from app.wechat.errors import (
    LoginCodeInvalid,
    LoginCodeUsed,
    MessageInvalid,
    Misconfigured,
    Rejected,
    SnapshotUser,
    Throttled,
    Unavailable,
    UnknownOutcome,
)
from app.wechat.official import OfficialGateway, WebUser

WEIXIN_BASE = "https://weixin.test"
OFFICIAL = OfficialAccount(
    appid="wxofficial", secret="official-secret-value", api_base=WEIXIN_BASE, oauth_base="https://open.test"
)
TOKEN = {"access_token": "user-token", "expires_in": 7200, "refresh_token": "r", "openid": "o1", "scope": "snsapi_base"}


@pytest.fixture
def official(wire) -> OfficialGateway:
    return OfficialGateway(OFFICIAL, wire)


class Web:
    """Scripted answers to GETs of the far end."""

    def __init__(self, mock) -> None:
        self.mock = mock

    def answers(self, path: str, *bodies) -> None:
        for body in bodies:
            kind = {"json": body} if isinstance(body, dict) else {"body": body}
            self.mock.add("GET", WEIXIN_BASE + path, **kind)


@pytest.fixture
def web(tencent) -> Web:
    return Web(tencent.mock)


def user(**changes) -> WebUser:
    facts = {"openid": "o1", "unionid": None, "profile_allowed": True, "access_token": "user-token"}
    return WebUser(**(facts | changes))


def test_the_authorize_address_has_its_order_and_fragment(official) -> None:
    url = official.authorize_url("https://brand.example/api/back?x=1&y=2", "abc", scope="snsapi_userinfo")
    assert url.startswith("https://open.test/connect/oauth2/authorize?") and url.endswith("#wechat_redirect")
    pairs = parse_qsl(urlsplit(url).query)
    assert pairs == [
        ("appid", "wxofficial"),
        ("redirect_uri", "https://brand.example/api/back?x=1&y=2"),
        ("response_type", "code"),
        ("scope", "snsapi_userinfo"),
        ("state", "abc"),
    ]
    assert "redirect_uri=https%3A%2F%2Fbrand.example%2Fapi%2Fback%3Fx%3D1%26y%3D2&" in url


@pytest.mark.parametrize(("state", "scope"), [("x" * 129, "snsapi_base"), ("x", "snsapi_login")])
def test_what_wechat_would_refuse_is_not_sent(official, state, scope) -> None:
    with pytest.raises(MessageInvalid):
        official.authorize_url("https://brand.example/", state, scope=scope)


def test_a_code_becomes_a_user_without_the_accounts_token(official, web, tencent) -> None:
    web.answers("/sns/oauth2/access_token", TOKEN | {"unionid": "u1", "scope": "snsapi_base,snsapi_userinfo"})
    found = official.web_user("code")
    assert (found.openid, found.unionid, found.profile_allowed) == ("o1", "u1", True)
    assert "user-token" not in repr(found) and len(tencent.mock.calls) == 1


def test_a_previews_user_is_nobody(official, web) -> None:
    web.answers("/sns/oauth2/access_token", TOKEN | {"is_snapshotuser": 1})
    with pytest.raises(SnapshotUser):
        official.web_user("code")


@pytest.mark.parametrize(
    ("errcode", "error"),
    [
        (40029, LoginCodeInvalid),
        (40163, LoginCodeUsed),
        (-1, Unavailable),
        (45011, Throttled),
        (40125, Misconfigured),
        (40001, Misconfigured),
        (48001, Misconfigured),
    ],
)
def test_refusals(official, web, tencent, errcode, error) -> None:
    web.answers("/sns/oauth2/access_token", {"errcode": errcode, "errmsg": "no"})
    with pytest.raises(error):
        official.web_user("code")
    assert len(tencent.mock.calls) == 1


@pytest.mark.parametrize("code", ["", "x" * 513])
def test_an_impossible_code_is_not_sent(official, tencent, code) -> None:
    with pytest.raises(LoginCodeInvalid):
        official.web_user(code)
    assert not tencent.mock.calls


def test_a_lost_answer_asks_the_user_to_try_again(official, web, tencent) -> None:
    web.answers("/sns/oauth2/access_token", requests.ReadTimeout("x"))
    with pytest.raises(Unavailable):
        official.web_user("code")
    assert len(tencent.mock.calls) == 1


@pytest.mark.parametrize(
    "body", [{}, {"openid": ""}, {"openid": ["o1"], "access_token": "t"}, TOKEN | {"openid": None}]
)
def test_an_answer_without_an_openid_is_no_login(official, web, body) -> None:
    web.answers("/sns/oauth2/access_token", body)
    with pytest.raises(Unavailable):
        official.web_user("code")


def test_a_profile_is_the_users_own(official, web) -> None:
    web.answers(
        "/sns/userinfo",
        {"openid": "o1", "nickname": "小美", "sex": 1, "headimgurl": "", "privilege": [], "unionid": "u1"},
        {"openid": "o2", "nickname": "x"},
    )
    found = official.profile(user())
    assert (found.unionid, found.nickname, found.avatar) == ("u1", "小美", None)
    with pytest.raises(Unavailable):
        official.profile(user())


def test_a_profile_that_was_not_allowed_is_not_asked_for(official, tencent) -> None:
    with pytest.raises(MessageInvalid):
        official.profile(user(profile_allowed=False))
    assert not tencent.mock.calls


def test_a_stale_user_token_does_not_drop_the_accounts(official, web, tencent) -> None:
    web.answers("/sns/userinfo", {"errcode": 40001, "errmsg": "invalid credential"})
    with pytest.raises(LoginCodeInvalid):
        official.profile(user())
    assert not tencent.calls("stable_token")


def test_followers(official, web, tencent) -> None:
    tencent.mini_token("T1")
    web.answers(
        "/cgi-bin/user/info",
        {
            "subscribe": 1,
            "openid": "o1",
            "unionid": "u1",
            "subscribe_time": 1382694957,
            "subscribe_scene": "ADD_SCENE_QR_CODE",
            "qr_scene": 98765,
            "qr_scene_str": "",
        },
        {"subscribe": 0, "openid": "o2", "tagid_list": []},
        {"errcode": 40003, "errmsg": "invalid openid"},
    )
    found = official.subscriber("o1")
    assert (found.subscribed, found.unionid, found.qr_scene) == (True, "u1", "98765")
    assert found.subscribed_at is not None and found.subscribed_at.year == 2013
    stranger = official.subscriber("o2")
    assert (stranger.subscribed, stranger.unionid, stranger.subscribed_at) == (False, None, None)
    with pytest.raises(Rejected) as refused:
        official.subscriber("o3")
    assert refused.value.reason == "openid_unknown"


def test_qr_codes(official, tencent) -> None:
    tencent.mini_token("T1")
    tencent.answers(
        "mp:/cgi-bin/qrcode/create",
        {"ticket": "T", "url": "http://weixin.qq.com/q/x", "expire_seconds": 600},
        {"ticket": "T", "url": "http://weixin.qq.com/q/x"},
        requests.ReadTimeout("x"),
    )
    assert official.create_qrcode("c1", seconds=600).expires_in == 600
    assert official.create_qrcode("c1").expires_in is None
    bodies = [json.loads(call.body) for call in tencent.calls("qrcode/create")]
    assert [body["action_name"] for body in bodies] == ["QR_STR_SCENE", "QR_LIMIT_STR_SCENE"]
    with pytest.raises(UnknownOutcome):
        official.create_qrcode("c1")
    for scene, seconds in (("", None), ("x" * 65, None), ("c", 5), ("c", 31 * 86400)):
        with pytest.raises(MessageInvalid):
            official.create_qrcode(scene, seconds=seconds)
