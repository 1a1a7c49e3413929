"""券活动 in a browser: written, looked at, brought out by two people, supplied, paused; and what a store sees."""

from __future__ import annotations

from typing import Any

import pytest
from console_world import make_admins
from coupon_factories import coupon, redeem, terms
from factories import PASSWORD, World, make_world
from invariants import broken

from app.core.transaction import transaction
from app.coupons import commands
from app.org.models import AdminUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _sign_in(page: Any, admin: AdminUser, path: str) -> None:
    page.context.clear_cookies()
    page.goto(path)
    page.fill("input[name=login]", admin.login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"**{path}")


def test_a_campaign_from_the_form_to_its_pause(world: World, page: Any, shot: Any) -> None:
    admins = make_admins(world)
    with transaction():
        commands.set_policy(brand_id=world.brand_id, approve_quota=500, approve_budget_fen=None)
    page.set_viewport_size({"width": 1440, "height": 900})
    _sign_in(page, admins["hq"], "/console/campaigns")
    page.click("text=新建活动")
    page.fill("[name=name]", "秋冬满减券")
    page.fill("[name=code]", "AW26-300-50")
    page.select_option("[name=kind]", "percent")
    assert page.is_visible("[name=folds]") and not page.is_visible("[name=amount]")
    page.select_option("[name=kind]", "threshold")
    assert page.is_visible("[name=amount]") and not page.is_visible("[name=folds]")
    page.fill("[name=amount]", "50")
    page.fill("[name=threshold]", "300")
    page.fill("[name=valid_days]", "30")
    page.fill("[name=ends]", "2087-12-31")
    for day in "12345":
        page.check(f"[name=weekdays][value='{day}']")
    page.fill("[name=hours]", "10:00-14:00, 17:00-21:00")
    page.fill("[name=quota]", "1000")
    page.fill("[name=per_member]", "5")
    page.fill("[name=budget]", "20000")
    page.fill("[name=hq_share]", "60")
    page.click("text=预览文案")
    page.wait_for_selector(".look >> text=周一至周五可用")
    shot(page, "campaign-new")
    page.uncheck("[name=weekdays][value='1']")
    page.click("text=保存草稿")
    page.wait_for_url("**/console/campaigns/cmp_*")
    assert "草稿" in page.locator("main").inner_text()
    page.click("button:has-text('提交')")
    page.wait_for_selector("text=待审批")
    page.click("button:has-text('审批通过')")
    page.wait_for_selector("[role=alert] >> text=须由提交人以外的同事审批")
    address = page.url
    _sign_in(page, world.admin, "/console/campaigns")
    page.click("text=秋冬满减券")
    page.click("button:has-text('审批通过')")
    page.wait_for_selector(".tag.green:has-text('进行中')")
    page.fill("[name=more]", "200")
    page.fill("[name=day_quota]", "100")
    page.click("text=保存调整")
    page.wait_for_selector("text=追加 200 张")
    for store, part in (("S001", "700"), ("S002", "300")):
        page.select_option("[name=store]", store)
        page.fill("[name=part]", part)
        page.click("text=保存调整")
        page.wait_for_selector(f"text={part} 张")
    shot(page, "campaign")
    page.click("summary:has-text('暂停')")
    page.fill("details[open] [name=reason]", "收银系统升级，晚间恢复")
    shot(page, "campaign-pause")
    page.click("button:has-text('确认暂停')")
    page.wait_for_selector(".tag.gold:has-text('已暂停')")
    assert "收银系统升级，晚间恢复" in page.locator(".timeline").inner_text()
    page.goto("/console/campaigns?status=paused")
    page.wait_for_selector("text=秋冬满减券")
    shot(page, "console-campaigns-paused")

    _sign_in(page, admins["store"], "/console/campaigns")
    page.click("text=秋冬满减券")
    page.wait_for_selector("text=门店配额")
    assert page.url.startswith(address.split("?")[0]) and page.locator(".steps").count() == 0
    assert page.locator("text=一号店").count() == 0
    shot(page, "campaign-for-a-store")
    assert broken() == []


def test_a_campaign_that_is_used_shows_its_figures(world: World, page: Any, shot: Any) -> None:
    with transaction():
        campaign_id = commands.create_campaign(
            brand_id=world.brand_id,
            code="SPRING",
            name="春日立减券",
            terms=terms(amount_fen=500, per_member=1),
            quota=20,
            claimable=True,
            budget_fen=10_000,
        )
    for _ in range(8):
        mine = coupon(world, campaign_id)
    redeem(world, mine.code)
    page.set_viewport_size({"width": 1440, "height": 900})
    _sign_in(page, world.admin, "/console/campaigns")
    assert "¥5.00 / ¥100.00" in page.locator("#list").inner_text()
    page.click("text=春日立减券")
    assert page.locator("[data-count=issued]").inner_text() == "8"
    assert page.locator("[data-count=redeemed]").inner_text() == "1"
    assert "核销率 12.5%" in page.locator(".kpis").inner_text()
    shot(page, "campaign-used")
    page.click("text=修改条款")
    page.wait_for_selector("legend:has-text('春日立减券')")
    assert page.input_value("[name=amount]") == "5"
    page.fill("[name=amount]", "6")
    page.click("text=预览文案")
    page.wait_for_selector(".look >> text=立减¥6")
    shot(page, "campaign-terms")
    page.click("text=保存新条款")
    page.wait_for_url("**/console/campaigns/cmp_*")
    assert page.locator("td:has-text('立减¥5')").count() == page.locator("td:has-text('立减¥6')").count() == 1
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "campaign-phone")
    assert broken() == []
