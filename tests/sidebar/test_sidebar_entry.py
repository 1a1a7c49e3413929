"""Getting in: only a guide whom WeCom names, only by the browser that was sent away."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from factories import make_world

from app.core.db import session
from app.core.transaction import transaction


def test_through_wecom_and_back(counter) -> None:
    _, where = counter.enter(task=counter.task_id)
    asked = parse_qs(urlsplit(where).query)
    assert where.startswith("http://open.test/connect/oauth2/authorize?")
    assert asked["redirect_uri"] == ["http://127.0.0.1:8000/sidebar/callback"]
    assert (asked["appid"], asked["scope"]) == ([counter.tencent.corp_id], ["snsapi_base"])
    answer = counter.sign_in(counter.world.guide, task=counter.task_id)
    assert answer.location == f"/sidebar/home?corp_id={counter.tencent.corp_id}&task={counter.task_id}"
    cookie = next(one for one in answer.headers.getlist("Set-Cookie") if one.startswith("siyu_sidebar="))
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    page = counter.client.get(answer.location)
    assert page.status_code == 200 and counter.task_id in page.get_data(as_text=True)
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "unsafe" not in policy
    me = counter.get("me").get_json()
    assert (me["name"], me["store"]["name"], me["tasks"]["due"]) == ("导购1", "一号店", 2)
    assert counter.client.get("/sidebar/").location.startswith("/sidebar/home")


def test_a_page_without_session_goes_through_wecom(counter) -> None:
    answer = counter.client.get(f"/sidebar/home?task={counter.task_id}")
    assert (answer.status_code, answer.location) == (302, f"/sidebar/?task={counter.task_id}")


@pytest.mark.parametrize("wrong", ["state", "no_state", "code", "used", "customer", "no_guide", "left", "corp"])
def test_nobody_else_gets_in(counter, wrong: str) -> None:
    world, client = counter.world, counter.client
    state, _ = counter.enter()
    code, status = counter.code(world.guide.userid), 403
    if wrong == "state":
        state = "x" * 22
    elif wrong == "no_state":
        client.delete_cookie("siyu_sidebar_state", path="/sidebar")
    elif wrong == "code":
        code, status = "made-up", 401
    elif wrong == "used":
        assert client.get("/sidebar/callback", query_string={"code": code, "state": state}).status_code == 302
        client.delete_cookie("siyu_sidebar")
        (state, _), status = counter.enter(), 401
    elif wrong == "customer":
        counter.tencent.customer("c")
        code = counter.tencent.engine.codes.issue("oauth", counter.tencent.corp_id, "c", customer=True)
        status = 403
    elif wrong == "no_guide":
        counter.tencent.engine.directory.put_staff(
            {"corp_id": counter.tencent.corp_id, "userid": "boss", "name": "老板"}
        )
        code = counter.code("boss")
    elif wrong == "left":
        with transaction():
            world.guide.status = "left"
            session.merge(world.guide)
    elif wrong == "corp":
        make_world()  # now there are two corps, and the entry has to say which
        answer = client.get("/sidebar/")
        assert answer.status_code == 404 and "请从企业微信" in answer.get_data(as_text=True)
        assert client.get("/sidebar/", query_string={"corp_id": counter.tencent.corp_id}).status_code == 302
        assert client.get("/sidebar/", query_string={"corp_id": "wwnobody"}).status_code == 404
        return
    answer = client.get("/sidebar/callback", query_string={"code": code, "state": state})
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "text/html" and "打不开页面" in answer.get_data(as_text=True)
    assert client.get("/api/sidebar/v1/me").status_code == 401


def test_a_guide_who_left_is_out_at_once(counter) -> None:
    counter.sign_in(counter.world.guide)
    assert counter.get("me").status_code == 200
    with transaction():
        counter.world.guide.status = "left"
        session.merge(counter.world.guide)
    assert counter.get("me").status_code == 401


@pytest.mark.parametrize("cookie", ["", "nonsense", "eyJhbGciOiJub25lIn0.eyJhdWQiOiJzaWRlYmFyIn0."])
def test_without_a_good_cookie_nothing_is_answered(counter, cookie: str) -> None:
    counter.client.set_cookie("siyu_sidebar", cookie)
    for path in ("me", "tasks", f"tasks/{counter.task_id}", "customers/wm-1", "materials", "coupons", "performance"):
        answer = counter.get(path)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "token_invalid"), path
    assert counter.post(f"tasks/{counter.task_id}/complete", {"evidence": {}}).status_code in (401, 422)


def test_only_our_own_pages_are_signed_for(counter) -> None:
    counter.sign_in(counter.world.guide)
    page = "http://127.0.0.1:8000/sidebar/home?corp_id=x"
    signed = counter.get("jssdk", url=page).get_json()
    assert (signed["corp_id"], signed["agent_id"]) == (counter.tencent.corp_id, counter.world.wecom.agent_id)
    for kind, key in (("jsapi", "config"), ("agent", "agent_config")):
        one = signed[key]
        assert counter.tencent.engine.tokens.signature_matches(
            kind=kind,
            corp_id=signed["corp_id"],
            agent_id=signed["agent_id"],
            nonce=one["nonceStr"],
            timestamp=str(one["timestamp"]),
            url=page,
            signature=one["signature"],
        )
    for foreign in ("https://evil.example/sidebar/home", "http://127.0.0.1:8000.evil.example/"):
        assert counter.get("jssdk", url=foreign).get_json()["code"] == "page_foreign"
