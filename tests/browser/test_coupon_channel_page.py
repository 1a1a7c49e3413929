"""券渠道 in a browser: bind a campaign, see its coupons there, settle a contradiction."""

from __future__ import annotations

import pytest
from console_world import make_admins
from coupon_factories import campaign
from factories import PASSWORD
from twin_show import IMAGE, Show

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_campaign_is_shown_in_wechat_pay_and_a_contradiction_settled(
    app, page, shot, world, tencent, run_work
) -> None:  # type: ignore[no-untyped-def]
    show = Show(world, tencent, run_work)
    campaign_id = campaign(world, kind="threshold", amount_fen=500, threshold_fen=3000)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/console/coupon-channels")
    page.fill("input[name=login]", make_admins(world)["hq"].login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/coupon-channels")
    page.fill("input[name=store]", "S001")
    page.fill("input[name=image_url]", IMAGE)
    page.click("section.card form button.primary")
    page.wait_for_selector("text=创建中")
    show.settle()
    member_id, _ = show.person()
    mine = show.give(campaign_id, member_id)
    show.settle()
    show.pay.use(show.theirs(mine), show.elsewhere("WX-20260101-0001"))
    show.redeem(mine, "TILL-0001")
    show.settle()
    page.reload()
    page.wait_for_selector("text=发放中")
    said = page.locator("main").inner_text()
    assert "两边各核销了一次" in said and "TILL-0001" in said and "WX-20260101-0001" in said
    shot(page, "console-coupon-channels")
    page.fill("input[name=note]", "已与门店核对，由门店承担")
    page.click("form.slim button >> nth=0")
    page.wait_for_selector("text=没有待处理的问题")
    page.click("text=查看已处理")
    page.wait_for_selector("text=已与门店核对，由门店承担")
    page.set_viewport_size({"width": 390, "height": 800})
    shot(page, "console-coupon-channels-small", full_page=False)
