"""券报表, 门店对账 and 风险核查 in a browser: filters, a month closed by two people, a flag decided, a rule changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from console_world import make_admins, make_busy
from coupon_months import undo, use
from factories import PASSWORD
from sqlalchemy import update

from app.core import clock, ids
from app.core.db import session
from app.core.transaction import transaction
from app.coupons.fraud import commands as fraud
from app.coupons.fraud import queries as fraud_queries
from app.coupons.fraud import watch
from app.org import admins
from app.org.models import Brand

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def _sign_in(page: Any, login: str) -> None:
    page.goto("/console/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/console/")


def test_report_statements_and_flags(app, page, shot) -> None:  # type: ignore[no-untyped-def]
    busy = make_busy()
    world = busy.world
    users = make_admins(world)
    now = clock.now()
    last_month = (now.replace(day=1) - timedelta(days=3)).replace(hour=4, minute=0)
    back = use(world, last_month, fen=3000)
    use(world, last_month, fen=4500, supplier="光明乳业", supplier_bp=3333)
    use(world, last_month + timedelta(hours=1), store=1, fen=8000, hq_bp=6000)
    undo(world, back, now)
    with transaction():
        second = admins.create_admin(
            login="second-hq", password=PASSWORD, name="财务复核", role="hq", brand_id=world.brand_id
        )
        session.execute(update(Brand).where(Brand.id == world.brand_id).values(name="森野户外"))
        fraud.set_rule(
            brand_id=world.brand_id, kind="member_redeems", threshold=1, window_seconds=3600, active=True, by="adm_1"
        )
    with transaction():
        watch.look(world.brand_id)

    page.set_viewport_size({"width": 1440, "height": 900})
    _sign_in(page, users["hq"].login)
    page.click("nav >> text=券报表")
    page.wait_for_selector("text=优惠成本")
    page.select_option("select[name=by]", "store")
    page.fill("input[name=from]", f"{last_month:%Y-%m-%d}")
    page.fill("input[name=to]", f"{now + timedelta(hours=8):%Y-%m-%d}")
    page.click("button:has-text('查询')")
    page.wait_for_selector("th[scope=row] >> text=二号店")
    assert page.inner_text("[data-total=used]") == "4"
    shot(page, "console-coupon-report")
    with page.expect_download() as download:
        page.click("text=下载 CSV")
    assert download.value.suggested_filename.startswith("coupons-store-")
    page.fill("input[name=from]", f"{now + timedelta(days=3):%Y-%m-%d}")
    page.click("button:has-text('查询')")
    page.wait_for_selector("[role=alert] >> text=日期范围不正确")

    page.goto(f"/console/coupon-statements?month={last_month:%Y-%m}")
    page.wait_for_selector("text=光明乳业")
    assert page.inner_text("[data-total=discount]") == "¥155.00"
    page.click("text=提交关账")
    page.wait_for_selector("[data-status=asked]")
    page.click("text=复核并关账")
    page.wait_for_selector("[role=alert] >> text=另一位总部同事")
    page.click("text=退出")
    _sign_in(page, second.login)
    page.click("nav >> text=门店对账")
    page.click("[aria-label=上个月]")
    shot(page, "console-coupon-statement-asked")
    page.click("text=复核并关账")
    page.wait_for_selector("[data-status=closed]")
    shot(page, "console-coupon-statements")
    page.click("tr:has-text('一号店') >> text=查看")
    page.wait_for_selector("text=对账明细")
    shot(page, "console-coupon-statement-lines")

    page.click("nav >> text=风险核查")
    page.wait_for_selector("td >> text=会员短时间多次用券")
    shot(page, "console-coupon-flags")
    page.click("td >> text=核查 >> nth=-1")
    page.wait_for_selector("text=证据")
    shot(page, "console-coupon-flag")
    page.fill("input[name=words]", "店员已说明，属团购")
    page.click("button:has-text('排除风险')")
    page.wait_for_selector("main >> text=店员已说明，属团购")
    page.click("text=返回")
    page.click("text=规则设置")
    page.fill("tr[data-rule=store_redeems] input[name=threshold]", "77")
    page.click("tr[data-rule=store_redeems] button")
    page.wait_for_selector("tr[data-rule=store_redeems] input[value='77']")
    page.select_option("select[name=guide]", ids.encode("gde", world.guide.id))
    page.fill("input[name=phone]", "13843215678")
    page.click("main section:nth-of-type(2) button")
    page.wait_for_selector("text=*******5678")
    shot(page, "console-coupon-rules")
    with transaction():
        assert fraud_queries.rules(world.brand_id)["store_redeems"].threshold == 77
