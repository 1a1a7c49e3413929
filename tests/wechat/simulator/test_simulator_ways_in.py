"""The simulated official account and acquisition links: what they answer and how they refuse."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.wechat.simulator.cast import APPID, MINI_SECRET, Tencent, mini_token

OFFICIAL, SECRET = "wx00000000000000cc", "official-secret"


@pytest.fixture
def official(tencent: Tencent) -> Tencent:
    tencent.control("miniprograms", appid=OFFICIAL, secret=SECRET, kind="official")
    return tencent


def code(tencent: Tencent, customer: str = "c1", **values: object) -> str:
    return tencent.control("codes", kind="web", customer=customer, **values)["code"]


def exchange(tencent: Tencent, value: str, appid: str = OFFICIAL, secret: str = SECRET) -> dict:
    ask = {"appid": appid, "secret": secret, "code": value, "grant_type": "authorization_code"}
    return tencent.get("/sns/oauth2/access_token", token=None, **ask)


def account_token(tencent: Tencent) -> str:
    ask = {"grant_type": "client_credential", "appid": OFFICIAL, "secret": SECRET}
    return tencent.post("/cgi-bin/stable_token", token=None, **ask)["access_token"]


def test_a_silent_login_names_no_unionid_and_an_allowed_one_does(official: Tencent) -> None:
    customer = official.engine.world.customers.rows["c1"]
    silent = exchange(official, code(official))
    assert (silent["openid"], silent["scope"], "unionid" in silent) == (
        customer.openids[OFFICIAL],
        "snsapi_base",
        False,
    )
    allowed = exchange(official, code(official, scope="snsapi_userinfo"))
    assert allowed["unionid"] == customer.unionid and "errcode" not in allowed
    profile = {"access_token": allowed["access_token"], "openid": allowed["openid"]}
    assert official.get("/sns/userinfo", token=None, **profile)["unionid"] == customer.unionid
    refused = official.get("/sns/userinfo", token=None, **(profile | {"access_token": silent["access_token"]}))
    assert refused["errcode"] == 48001
    assert official.get("/sns/userinfo", token=None, **(profile | {"access_token": "x"}))["errcode"] == 40001


def test_codes_work_once_for_their_account(official: Tencent) -> None:
    value = code(official)
    assert exchange(official, value, secret="wrong")["errcode"] == 40125
    assert exchange(official, value, appid=APPID, secret=MINI_SECRET)["errcode"] == 40013
    assert "openid" in exchange(official, value)
    assert exchange(official, value)["errcode"] == 40163
    assert exchange(official, "made-up")["errcode"] == 40029
    late = code(official)
    official.clock.value += 301
    assert exchange(official, late)["errcode"] == 40029


def test_a_snapshot_has_a_made_up_openid(official: Tencent) -> None:
    first, second = (exchange(official, code(official, snapshot=True)) for _ in range(2))
    assert first["is_snapshotuser"] == second["is_snapshotuser"] == 1 and first["openid"] != second["openid"]


def test_followers_and_qr_codes(official: Tencent) -> None:
    customer = official.engine.world.customers.rows["c1"]
    token, openid = account_token(official), customer.openids[OFFICIAL]
    ask = {"token": token, "openid": openid}
    assert official.get("/cgi-bin/user/info", **ask) == {"subscribe": 0, "openid": openid, "tagid_list": []}
    official.engine.world.set_value(f"follower|{OFFICIAL}|{openid}", 1_700_000_000)
    shown = official.get("/cgi-bin/user/info", **ask)
    assert (shown["subscribe"], shown["unionid"], shown["subscribe_time"]) == (1, customer.unionid, 1_700_000_000)
    assert official.get("/cgi-bin/user/info", token=token, openid="x")["errcode"] == 40003
    assert official.get("/cgi-bin/user/info", token=mini_token(official), openid=openid)["errcode"] == 48001
    scene = {"action_info": {"scene": {"scene_str": "c1"}}}
    made = official.post("/cgi-bin/qrcode/create", token=token, action_name="QR_STR_SCENE", expire_seconds=60, **scene)
    assert made["ticket"] and made["expire_seconds"] == 60
    assert official.post("/cgi-bin/qrcode/create", token=token, action_name="QR_SCENE", **scene)["errcode"] == 40053


def test_the_login_page_sends_back_at_once_and_minds_the_order(official: Tencent) -> None:
    good = {
        "appid": OFFICIAL,
        "redirect_uri": "https://brand.example/back?x=1",
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "abc1",
    }
    chooser = official.client.get(f"/connect/oauth2/authorize?{urlencode(good)}")
    assert chooser.status_code == 200 and "顾客1" in chooser.get_data(as_text=True)
    sent = official.client.get(f"/connect/oauth2/authorize?{urlencode(good)}&customer=c1")
    back = urlsplit(sent.location)
    assert sent.status_code == 302 and back.netloc == "brand.example"
    query = parse_qs(back.query)
    assert (query["x"], query["state"]) == (["1"], ["abc1"]) and "openid" in exchange(official, query["code"][0])
    again = official.client.get(f"/connect/oauth2/authorize?{urlencode(good)}")
    assert again.status_code == 302  # the phone is that customer's now
    mixed = {name: good[name] for name in ("redirect_uri", "appid", "response_type", "scope", "state")}
    for bad in (mixed, good | {"state": "a-b"}, good | {"state": "x" * 129}, good | {"redirect_uri": "javascript:1"}):
        assert official.client.get(f"/connect/oauth2/authorize?{urlencode(bad)}").status_code == 400


def test_the_mini_program_and_the_official_account_are_two(official: Tencent) -> None:
    assert official.engine.directory.default_mini() == APPID
    official.control("codes", 404, kind="login", customer="c1", appid=OFFICIAL)
    official.control("codes", 404, kind="web", customer="c1", appid=APPID)
    customer = official.engine.world.customers.rows["c1"]
    assert customer.openids[APPID] != customer.openids[OFFICIAL]


def test_links_live_beside_contact_ways(tencent: Tencent) -> None:
    base = "customer_acquisition/"
    way = tencent.contact("add_contact_way", type=2, scene=2, user=["GuideA"], state="S1")
    made = tencent.contact(base + "create_link", link_name="广告", range={"user_list": ["GuideA"]}, skip_verify=True)
    link_id = made["link"]["link_id"]
    assert made["link"]["url"] == f"http://sim.test/scan/{link_id}"
    assert tencent.contact(base + "list_link")["link_id_list"] == [link_id]
    assert [row["config_id"] for row in tencent.contact("list_contact_way")["contact_way"]] == [way["config_id"]]
    assert tencent.contact("get_contact_way", config_id=link_id)["errcode"] == 41044
    assert tencent.contact(base + "get", link_id=way["config_id"])["errcode"] == 40058
    tencent.control("scan", config_id=link_id, customer="c2", state="ad-1")
    assert tencent.events[-1][1]["State"] == "ad-1"
    assert tencent.contact(base + "update_link", link_id=link_id, range={"user_list": ["guide-b"]})["errcode"] == 0
    shown = tencent.contact(base + "get", link_id=link_id)
    assert (shown["link"]["link_name"], shown["range"]["user_list"]) == ("广告", ["guide-b"])
    for bad in ({"link_name": "", "range": {"user_list": ["GuideA"]}}, {"link_name": "x", "range": {"user_list": []}},
                {"link_name": "x", "range": {"user_list": ["nobody"]}}):  # fmt: skip
        assert tencent.contact(base + "create_link", **bad)["errcode"] in (40058, 40098)
    assert tencent.contact(base + "delete_link", link_id=link_id)["errcode"] == 0
    assert tencent.contact(base + "list_link")["link_id_list"] == []
