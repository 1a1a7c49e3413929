"""The WeCom client page and the JS-SDK stand-in, in a real browser."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask, Response
from playwright.sync_api import Browser, Page, expect
from serving import serving

from tests.wechat.simulator.cast import AGENT, CORP, Tencent

pytestmark = pytest.mark.browser

SIDEBAR = """<!doctype html><body><p id="who"></p><p id="config"></p>
<button id="send">发送</button><script src="{simulator}/jssdk/ww.js"></script><script>
ww.register({{corpId: '{corp}', agentId: {agent}, jsApiList: ['sendChatMessage'],
  getAgentConfigSignature: () => ({{timestamp: 1, nonceStr: 'n', signature: '{signature}'}}),
  onAgentConfigSuccess: (res) => {{ config.textContent = JSON.stringify(res.checkResult); }},
  onAgentConfigFail: (res) => {{ config.textContent = res.errMsg; }} }});
ww.getContext().then((context) => ww.getCurExternalContact().then((res) => {{
  who.textContent = context.entry + ' ' + res.userId; }})).catch((error) => {{ who.textContent = error.errMsg; }});
send.onclick = () => ww.sendChatMessage({{msgtype: 'text', text: {{content: '新款到店'}},
  success: () => {{ send.textContent = '已发送'; }} }});
</script>"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    yield page
    page.close()


@pytest.fixture
def simulator(tencent: Tencent) -> Iterator[str]:
    with serving(tencent.client.application) as address:
        yield address


@contextmanager
def sidebar(tencent: Tencent, simulator: str, page: Page, *, ticket: str) -> Iterator[None]:
    """A sidebar page of our own, opened beside a chat in the simulator's WeCom."""
    app = Flask("sidebar")
    with serving(app) as address:
        text = f"jsapi_ticket={ticket}&noncestr=n&timestamp=1&url={address}/"
        signature = hashlib.sha1(text.encode()).hexdigest()
        body = SIDEBAR.format(simulator=simulator, corp=CORP, agent=AGENT, signature=signature)
        app.add_url_rule("/", view_func=lambda: Response(body, mimetype="text/html"))
        tencent.control("pages", sidebar_url=f"{address}/")
        page.goto(f"{simulator}/client/wecom?staff=GuideA")
        yield


def test_the_sidebar_learns_who_it_is_and_sends(tencent: Tencent, simulator: str, page: Page) -> None:
    code = tencent.add("c1")[0]["welcome_code"]
    tencent.contact("send_welcome_msg", welcome_code=code, text={"content": "您好，欢迎光临"})
    ticket = tencent.get("/cgi-bin/ticket/get", type="agent_config")["ticket"]
    with sidebar(tencent, simulator, page, ticket=ticket):
        expect(page.locator("#chat")).to_contain_text("您好，欢迎光临")
        frame = page.frame_locator("#sidebar")
        expect(frame.locator("#who")).to_have_text(f"single_chat_tools {tencent.external('c1')}")
        expect(frame.locator("#config")).to_have_text('{"sendChatMessage":true}')
        frame.locator("#send").click()
        expect(frame.locator("#send")).to_have_text("已发送")
        expect(page.locator("#chat")).to_contain_text("新款到店")
    sent = tencent.client.get("/_control/sent?kind=chat").get_json()["rows"]
    assert sent[0]["sender"] == "GuideA" and sent[0]["to"] == tencent.external("c1")


def test_a_wrong_signature_gives_no_permission(tencent: Tencent, simulator: str, page: Page) -> None:
    tencent.add("c1")
    with sidebar(tencent, simulator, page, ticket="invented"):
        frame = page.frame_locator("#sidebar")
        expect(frame.locator("#who")).to_have_text("getContext:fail no permission")
        expect(frame.locator("#config")).to_contain_text("invalid signature")


def test_the_control_room_adds_customers(tencent: Tencent, simulator: str, page: Page) -> None:
    page.goto(simulator)
    page.locator("#staff .cell", has_text="王芳").get_by_role("button", name="选").click()
    page.locator("#customers .cell", has_text="顾客3").get_by_role("button", name="选").click()
    page.get_by_role("button", name="顾客扫码添加导购").click()
    expect(page.locator("#log")).to_contain_text("添加导购")
    assert tencent.events[-1][1]["ExternalUserID"] == tencent.external("c3")
