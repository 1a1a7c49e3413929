"""券推送, 赠券规则, 兑换码 and 离线核销 in a browser: looked at, confirmed, switched, taken away, allowed."""

from __future__ import annotations

from typing import Any

import pytest
from console_world import make_admins
from coupon_factories import BASKET, campaign, coupon, redeem, till
from factories import PASSWORD, World, make_world
from invariants import broken
from people import make_member

from app.core import clock
from app.core.transaction import transaction
from app.coupons import commands
from app.segments import commands as segments

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def world(app: Any) -> World:
    return make_world()


def _sign_in(page: Any, world: World, path: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(path)
    page.fill("input[name=login]", make_admins(world)["hq"].login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"**{path}")


def test_a_push_from_the_estimate_to_its_effect(world: World, page: Any, shot: Any, run_work: Any) -> None:
    campaign(world, kind="threshold", amount_fen=6000, threshold_fen=40000)
    with transaction():
        for _ in range(40):
            make_member(world)
        rule = {"field": "joined_at", "op": "after", "value": "2000-01-01T00:00:00+08:00"}
        segments.save_segment(brand_id=world.brand_id, name="半年内买过三次", rule=rule)
    _sign_in(page, world, "/console/coupon-pushes")
    page.select_option("[name=campaign]", index=1)
    page.select_option("[name=segment]", label="半年内买过三次")
    page.fill("[name=hold_out]", "30")
    page.click("text=预估人数")
    page.wait_for_selector("text=确认推送")
    shot(page, "coupon-push-estimate")
    page.click("button:has-text('确认推送')")
    page.wait_for_selector("#pushes >> text=推送中")
    run_work()
    page.reload()
    page.wait_for_selector("#pushes >> text=已完成")
    shot(page, "coupon-pushes")
    page.click("text=详情")
    page.wait_for_selector("text=推送效果")
    assert "人数太少" in page.locator("main").inner_text()
    shot(page, "coupon-push")
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "coupon-push-phone")
    assert broken() == []


def test_a_gift_rule_asks_for_what_its_kind_needs(world: World, page: Any, shot: Any) -> None:
    campaign(world)
    _sign_in(page, world, "/console/gift-rules")
    page.select_option("[name=kind]", "birthday")
    assert page.is_visible("[name=days]") and not page.is_visible("[name=least]")
    page.select_option("[name=kind]", "order")
    assert page.is_visible("[name=least]") and not page.is_visible("[name=days]")
    page.select_option("[name=campaign]", index=1)
    page.fill("[name=least]", "1000")
    page.click("button:has-text('新增')")
    page.wait_for_selector("td:has-text('满 ¥1,000.00')")
    shot(page, "gift-rules")
    page.click("td button:has-text('停用')")
    page.wait_for_selector("td button:has-text('启用')")


def test_codes_are_exported_from_the_page(world: World, page: Any, shot: Any, run_work: Any) -> None:
    campaign(world)
    _sign_in(page, world, "/console/redeem-batches")
    page.select_option("[name=campaign]", index=1)
    page.fill("[name=name]", "周年庆礼品卡")
    page.fill("[name=size]", "500")
    page.click("button:has-text('生成')")
    page.wait_for_selector("#batches >> text=周年庆礼品卡")
    run_work()
    page.reload()
    page.wait_for_selector("text=500 / 500")
    shot(page, "redeem-batches")
    page.click("summary:has-text('导出')")
    with page.expect_download() as file:
        page.click("button:has-text('确认导出')")
    assert file.value.suggested_filename.endswith(".csv")
    file.value.path()  # waits for its end, at which the codes are forgotten
    page.reload()
    page.wait_for_selector("text=已于")
    page.click("summary:has-text('作废')")
    page.fill("[name=reason]", "印刷有误，重新制作")
    page.click("button:has-text('确认作废')")
    page.wait_for_selector(".tag:has-text('已作废')")
    shot(page, "redeem-batches-voided")
    assert broken() == []


def test_what_tills_took_offline_and_what_a_store_may_lose(world: World, page: Any, shot: Any) -> None:
    _sign_in(page, world, "/console/offline-receipts")
    page.wait_for_selector("text=没有需要关注的离线核销")
    page.fill("[name=limit]", "8")
    page.click("button:has-text('保存')")
    page.wait_for_selector("td:has-text('¥8.00')")
    for number in range(3):
        used = coupon(world)
        redeem(world, used.code)
        told = commands.Receipt(f"XP-{number}", used.code, f"S001-{number}", BASKET, clock.now(), b"1")
        with transaction():
            commands.take_receipt(till=till(world), receipt=told)
    page.goto("/console/offline-receipts")
    page.wait_for_selector("td:has-text('此券已经使用过')")
    assert page.locator(".tag:has-text('超出额度')").count() == 2
    shot(page, "offline-receipts")
    assert broken() == []
