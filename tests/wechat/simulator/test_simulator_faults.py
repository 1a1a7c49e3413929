from __future__ import annotations

import pytest
import requests
import responses

from app.wechat.simulator.engine import Engine
from app.wechat.simulator.responses_bridge import register
from tests.wechat.simulator.cast import CORP, SECRET, Clock, Tencent


def test_an_injected_error_strikes_as_often_as_asked(tencent: Tencent) -> None:
    tencent.control("faults", api="user/*", errcode=45033, count=2)
    answers = [tencent.get("/cgi-bin/user/get", userid="GuideA")["errcode"] for _ in range(3)]
    assert answers == [45033, 45033, 0]


def test_latency_html_and_status(tencent: Tencent) -> None:
    tencent.control("faults", api="user/get", latency_ms=1500, count=1)
    assert tencent.get("/cgi-bin/user/get", userid="GuideA")["errcode"] == 0
    assert tencent.slept == [1.5]
    tencent.control("faults", api="user/get", html=True, count=1)
    query = {"access_token": tencent.token, "userid": "GuideA"}
    page = tencent.client.get("/cgi-bin/user/get", query_string=query)
    assert page.status_code == 502 and page.mimetype == "text/html"
    tencent.control("faults", 422, api="user/get", nonsense=1)


def test_a_quota_refuses_until_its_window_ends(tencent: Tencent, clock: Clock) -> None:
    tencent.control("quotas", api="user/get", per_minute=2)
    answers = [tencent.get("/cgi-bin/user/get", userid="GuideA")["errcode"] for _ in range(3)]
    assert answers == [0, 0, 45009]
    assert tencent.get("/cgi-bin/user/list", department_id=1)["errcode"] == 0
    clock.value += 60
    assert tencent.get("/cgi-bin/user/get", userid="GuideA")["errcode"] == 0


def test_tokens_can_end_early(tencent: Tencent) -> None:
    assert tencent.control("tokens/expire")["expired"] == 1
    assert tencent.get("/cgi-bin/user/get", userid="GuideA")["errcode"] == 42001


def test_malformed_input_is_answered_not_raised(tencent: Tencent) -> None:
    query = {"access_token": tencent.token}
    path = "/cgi-bin/externalcontact/remark"
    assert tencent.client.post(path, query_string=query, data=b"{").get_json()["errcode"] == 47001
    assert tencent.client.post(path, query_string=query, json=[1]).get_json()["errcode"] == 47001
    assert tencent.client.get(path, query_string=query).get_json()["errcode"] == 43002
    for body in ({"external_userid": 7}, {"userid_list": 3}, {"external_userid": [], "limit": "x"}):
        for name in ("batch/get_by_user", "transfer_customer", "add_msg_template", "mark_tag"):
            assert tencent.contact(name, **body)["errcode"] != 0


def test_the_same_engine_stands_behind_responses() -> None:
    engine = Engine(clock=Clock())
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        client = register(mock, engine).test_client()
        corp = {"corp_id": CORP, "apps": [{"agent_id": 1, "secret": SECRET}]}
        assert client.post("/_control/corps", json=corp).status_code == 200
        url = "https://qyapi.weixin.qq.com/cgi-bin/gettoken"
        params = {"corpid": CORP, "corpsecret": SECRET}
        assert requests.get(url, params=params, timeout=5).json()["errcode"] == 0
        client.post("/_control/faults", json={"api": "gettoken", "drop": True, "count": 1})
        with pytest.raises(requests.ConnectionError):
            requests.get(url, params=params, timeout=5)
        client.post("/_control/faults", json={"api": "gettoken", "latency_ms": 9000, "count": 2})
        with pytest.raises(requests.ReadTimeout):
            requests.get(url, params=params, timeout=(1, 5))
        assert requests.get(url, params=params, timeout=10).json()["errcode"] == 0
