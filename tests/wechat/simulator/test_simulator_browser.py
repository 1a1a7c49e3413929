"""The WeCom client page and the JS-SDK stand-in, in a real browser."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator

import pytest
from flask import Flask, Response
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from tests.wechat.simulator.cast import AGENT, CORP, Tencent

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: set CHROMIUM or put one on the PATH"),
]

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


class Serving:
    def __init__(self, app: Flask) -> None:
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 900})
        browser.close()


@pytest.fixture
def simulator(tencent: Tencent) -> Iterator[Serving]:
    serving = Serving(tencent.client.application)
    yield serving
    serving.close()


def open_sidebar(tencent: Tencent, simulator: Serving, page: Page, *, ticket: str) -> Serving:
    sidebar = Flask("sidebar")
    serving = Serving(sidebar)
    text = f"jsapi_ticket={ticket}&noncestr=n&timestamp=1&url={serving.url}/"
    signature = hashlib.sha1(text.encode()).hexdigest()
    body = SIDEBAR.format(simulator=simulator.url, corp=CORP, agent=AGENT, signature=signature)
    sidebar.add_url_rule("/", view_func=lambda: Response(body, mimetype="text/html"))
    tencent.control("pages", sidebar_url=f"{serving.url}/")
    page.goto(f"{simulator.url}/client/wecom?staff=GuideA")
    return serving


def test_the_sidebar_learns_who_it_is_and_sends(tencent: Tencent, simulator: Serving, page: Page) -> None:
    code = tencent.add("c1")[0]["welcome_code"]
    tencent.contact("send_welcome_msg", welcome_code=code, text={"content": "您好，欢迎光临"})
    ticket = tencent.get("/cgi-bin/ticket/get", type="agent_config")["ticket"]
    serving = open_sidebar(tencent, simulator, page, ticket=ticket)
    try:
        expect(page.locator("#chat")).to_contain_text("您好，欢迎光临")
        frame = page.frame_locator("#sidebar")
        expect(frame.locator("#who")).to_have_text(f"single_chat_tools {tencent.external('c1')}")
        expect(frame.locator("#config")).to_have_text('{"sendChatMessage":true}')
        frame.locator("#send").click()
        expect(frame.locator("#send")).to_have_text("已发送")
        expect(page.locator("#chat")).to_contain_text("新款到店")
    finally:
        serving.close()
    sent = tencent.client.get("/_control/sent?kind=chat").get_json()["rows"]
    assert sent[0]["sender"] == "GuideA" and sent[0]["to"] == tencent.external("c1")


def test_a_wrong_signature_gives_no_permission(tencent: Tencent, simulator: Serving, page: Page) -> None:
    tencent.add("c1")
    serving = open_sidebar(tencent, simulator, page, ticket="invented")
    try:
        frame = page.frame_locator("#sidebar")
        expect(frame.locator("#who")).to_have_text("getContext:fail no permission")
        expect(frame.locator("#config")).to_contain_text("invalid signature")
    finally:
        serving.close()


def test_the_control_room_adds_customers(tencent: Tencent, simulator: Serving, page: Page) -> None:
    page.goto(simulator.url)
    page.locator("#staff .cell", has_text="王芳").get_by_role("button", name="选").click()
    page.locator("#customers .cell", has_text="顾客3").get_by_role("button", name="选").click()
    page.get_by_role("button", name="顾客扫码添加导购").click()
    expect(page.locator("#log")).to_contain_text("添加导购")
    assert tencent.events[-1][1]["ExternalUserID"] == tencent.external("c3")
