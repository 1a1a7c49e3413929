"""Accounts in a browser: setting up the second factor, signing in with it, making a user, reading the log."""

from __future__ import annotations

import pyotp
import pytest
from console_world import make_admins
from factories import PASSWORD, make_world

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def _sign_in(page, login: str) -> None:
    page.goto("/console/")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")


def test_a_second_factor_from_set_up_to_login(app, page, shot) -> None:
    login = make_admins(make_world())["hq"].login
    page.set_viewport_size({"width": 1440, "height": 900})
    _sign_in(page, login)
    page.click("a.me")
    page.click("text=设置两步验证")
    seed = page.locator("text=手动输入密钥").locator(".mono").inner_text()
    shot(page, "console-second-factor")
    page.fill("input[name=code]", pyotp.TOTP(seed).now())
    page.click("button:has-text('开启')")
    recovery = page.locator(".codes span").all_inner_texts()
    assert len(recovery) == 10
    shot(page, "console-recovery-codes")
    page.click("button:has-text('退出')")
    _sign_in(page, login)
    page.wait_for_selector("text=两步验证")
    shot(page, "console-login-code")
    page.fill("input[name=code]", recovery[0])
    page.click("button[type=submit]")
    page.wait_for_url("**/console/")


def test_users_and_the_log(app, page, shot) -> None:
    admins = make_admins(make_world())
    page.set_viewport_size({"width": 1440, "height": 900})
    _sign_in(page, admins["hq"].login)
    page.click("nav >> text=账号权限")
    page.fill("input[name=login]", "dianzhang01")
    page.fill("input[name=name]", "王店长")
    page.select_option("select[name=role]", "store")
    page.select_option("select[name=place]", "S001")
    page.click("button:has-text('新建')")
    assert "dianzhang01" in page.locator("[role=status]").inner_text()
    shot(page, "console-users")
    page.click("nav >> text=操作日志")
    page.wait_for_selector("main >> text=新建账号")
    shot(page, "console-audit")
    page.click("button:has-text('退出')")
    _sign_in(page, admins["store"].login)
    page.wait_for_url("**/console/")
    assert page.locator("nav >> text=账号权限").count() == 0 and page.locator('nav >> text="门店"').count() == 1
