"""The console in a browser: signing in, today's figures and charts, members and their history."""

from __future__ import annotations

import re

import pytest
from console_world import PHONE, make_admins, make_busy
from factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def _sign_in(page, login: str) -> None:
    page.goto("/console/")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/")


def test_today_shows_figures_charts_ranking_and_feed(app, page, shot) -> None:
    busy = make_busy()
    login = make_admins(busy.world)["hq"].login
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/console/")
    page.wait_for_url("**/console/login**")
    shot(page, "console-login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", "wrong")
    page.click("button[type=submit]")
    assert page.locator("[role=alert]").inner_text().startswith("账号或密码不正确")
    _sign_in(page, login)
    page.wait_for_selector("body[data-ready=yes]")
    assert page.locator("[data-kpi=new_members] b").inner_text() == "2"
    assert page.locator("[data-kpi=coupons_redeemed] b").inner_text() == "1"
    assert page.locator("[data-kpi=sales_fen] b").inner_text() == "¥340.00"
    for chart in ("hours", "funnel", "top"):
        assert page.locator(f"#{chart} svg path").count() >= 2
    assert page.locator("#stores tr").first.inner_text().split("\t")[1] == "一号店"
    assert "核销优惠券，优惠 ¥20.00" in page.locator("#feed").inner_text()
    page.wait_for_timeout(1200)  # the charts' entrance
    shot(page, "console-today")


def test_members_tasks_campaigns_and_trace(app, page, shot) -> None:
    busy = make_busy()
    page.set_viewport_size({"width": 1440, "height": 900})
    _sign_in(page, make_admins(busy.world)["hq"].login)
    page.click("nav a:text-is('会员')")
    page.wait_for_url("**/console/members")
    assert page.locator("#list tbody tr").count() == 2
    page.fill("#q", PHONE)
    page.click("button:has-text('查询')")
    page.wait_for_url(re.compile("q="))
    page.wait_for_function("document.querySelectorAll('#list tbody tr').length === 1")
    shot(page, "console-members")
    page.click("#list tbody a")
    page.wait_for_selector(".timeline")
    text = page.locator(".timeline.tall").inner_text()
    expected_lines = (
        "添加导购 导购1 的企业微信",
        "小程序绑定手机号",
        "核销优惠券「春日满减」",
        "完成任务「发送欢迎礼」",
        "消费 ¥280.00",
    )
    for expected in expected_lines:
        assert expected in text
    assert PHONE not in page.content()
    shot(page, "console-member")
    page.click("text=全链路追踪")
    page.wait_for_selector("table.trace")
    assert "coupons.redeemed" in page.locator("table.trace").inner_text()
    shot(page, "console-trace")
    for name, expected in (("任务", "发送欢迎礼"), ("券活动", "春日满减"), ("门店", "二号店"), ("SOP", "新客欢迎")):
        page.click(f"nav a:text-is('{name}')")
        page.wait_for_selector(f"main >> text={expected}")
        shot(page, f"console-{ {'任务': 'tasks', '券活动': 'campaigns', '门店': 'stores', 'SOP': 'sops'}[name] }")
    page.click("button:has-text('退出')")
    page.wait_for_url("**/console/login")
    page.goto("/console/members")
    page.wait_for_url("**/console/login**")
