"""企微对账 in a browser: starting a run, watching it end, its differences, confirming losses."""

from __future__ import annotations

import pytest
from console_world import make_admins
from factories import PASSWORD
from sqlalchemy import text
from wecom_day import Day

from app.core.db import session
from app.core.transaction import transaction
from app.flows.sync.steps import losses

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_reconciliation_and_what_it_found(app, page, shot, tencent, run_work, monkeypatch) -> None:
    day = Day(tencent, seed=3, customers=20)
    day.play(30, lost=1.0)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/console/sync")
    page.fill("input[name=login]", make_admins(tencent.world)["hq"].login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/sync")
    page.click("text=开始全量对账")
    page.wait_for_selector("text=进行中")
    assert page.locator("text=开始全量对账").is_disabled()
    run_work()
    page.wait_for_selector("text=已完成")  # the list asks by itself
    shot(page, "console-sync")
    page.click("text=明细")
    page.wait_for_selector("text=差异")
    assert page.locator("main").inner_text().count("已处理") > 5
    shot(page, "console-sync-run")
    monkeypatch.setattr(losses, "FEW", 1)
    for follow in list(tencent.engine.world.follows):
        tencent.engine.world.drop_follow(follow)
    with transaction():
        session.execute(text("UPDATE follow SET changed_at = changed_at - interval '2 days', told_at = NULL"))
    page.goto("/console/sync")
    page.click("text=开始全量对账")
    run_work()
    page.wait_for_selector("text=待确认")
    page.click("text=明细 >> nth=0")
    page.wait_for_selector("text=查不到的数据过多")
    shot(page, "console-sync-waiting")
    page.click("text=确认失效")
    page.wait_for_selector("text=进行中")
    run_work()
    page.reload()
    assert "未处理" not in page.locator("main").inner_text()
